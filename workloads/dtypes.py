"""Number formats of training: which dtype multiplies, and how many bytes each kind of tensor takes."""

from dataclasses import dataclass

from workloads.errors import UnknownNameError
from workloads.fact_tables import load_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """One way to mix number formats in training.

    Attributes:
        name: registered name.
        source: paper or standard of the format.
        matmul: dtype of matrix products (key of ``Device.peak_flop_rate``).
        attention: dtype of the attention core's products (FP8 training keeps it in bf16).
        activation: [bytes] per element of activations between kernels.
        parameter: [bytes] per element of the parameters kernels read.
        gradient: [bytes] per element of the gradient as the backward pass writes it.
        master: [bytes] per parameter of a separate FP32 master copy (0 when parameters are the master).
        moment: [bytes] per number that the optimizer keeps.
        narrow_input: [bytes] per element of a product's input where software keeps it quantised; 0 where the
            precision is not narrower than activations.
        quantised: [bytes] moved per element of a product's input or of the gradient of its output where it is
            quantised for both directions that it is multiplied in; 0 where products take it as it is.
        quantised_weight: [bytes] moved per weight for each product that reads it, where weights are quantised
            anew for every microbatch; 0 where they are kept.
        gathered: [bytes] per parameter that is gathered quantised, where software can; 0 where none can.
    """

    name: str
    source: str
    matmul: str
    attention: str
    activation: int
    parameter: int
    gradient: int
    master: int
    moment: int = 4
    narrow_input: float = 0.0
    quantised: float = 0.0
    quantised_weight: float = 0.0
    gathered: float = 0.0

    @property
    def mixed_bf16(self) -> bool:
        """16-bit parameters in BF16 beside an FP32 master copy."""
        return self.master > 0 and self.attention == "bf16"


PRECISIONS = load_facts("precisions", Precision)


def load_precision(name: str) -> Precision:
    """The registered precision of this name.

    Raises:
        UnknownNameError: no such precision; the message suggests the nearest.
    """
    try:
        return PRECISIONS[name]
    except KeyError:
        raise UnknownNameError("precision", name, PRECISIONS) from None
