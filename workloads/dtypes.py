"""Number formats of training: which dtype multiplies, and how many bytes each kind of tensor takes."""

from dataclasses import dataclass

from workloads.errors import UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """One way to mix number formats in training.

    Attributes:
        name: registered name.
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
    """

    name: str
    matmul: str
    attention: str
    activation: int
    parameter: int
    gradient: int
    master: int
    moment: int = 4
    narrow_input: float = 0.0
    quantised: float = 0.0

    @property
    def mixed_bf16(self) -> bool:
        """16-bit parameters in BF16 beside an FP32 master copy."""
        return self.master > 0 and self.attention == "bf16"


PRECISIONS: dict[str, Precision] = {
    p.name: p
    for p in (
        Precision(
            name="fp32", matmul="fp32", attention="fp32", activation=4, parameter=4, gradient=4, master=0
        ),
        Precision(
            name="tf32", matmul="tf32", attention="tf32", activation=4, parameter=4, gradient=4, master=0
        ),
        Precision(
            name="fp16", matmul="fp16", attention="fp16", activation=2, parameter=2, gradient=2, master=4
        ),
        Precision(
            name="bf16", matmul="bf16", attention="bf16", activation=2, parameter=2, gradient=2, master=4
        ),
        # Half-precision tensors, FP32 arithmetic: devices without fast FP16 (Jia et al. 2018, section 3.1).
        Precision(
            name="fp16-storage",
            matmul="fp32",
            attention="fp32",
            activation=2,
            parameter=2,
            gradient=2,
            master=4,
        ),
        # Everything in bf16, optimizer included: Composer's mp_mode=PURE stays with FP32 master shards,
        # so this is for stacks that keep no master copy at all.
        Precision(
            name="bf16-pure",
            matmul="bf16",
            attention="bf16",
            activation=2,
            parameter=2,
            gradient=2,
            master=0,
            moment=2,
        ),
        Precision(
            name="nvfp4",
            matmul="fp4",
            attention="bf16",
            activation=2,
            parameter=2,
            gradient=2,
            master=4,
            narrow_input=0.5 + 1 / 16,  # a byte of scale for 16 values
            # Transformer Engine, features/low_precision_training: a pass for the largest value, one along
            # rows, one with a random Hadamard transform along columns; gradients are rounded stochastically
            quantised=2 + 2 * (2 + 0.5 + 1 / 16),
        ),
        Precision(
            name="mxfp8",
            matmul="mxfp8",
            attention="bf16",
            activation=2,
            parameter=2,
            gradient=2,
            master=4,
            narrow_input=1 + 1 / 32,  # a byte of scale for 32 values
            quantised=2 + 2 * (1 + 1 / 32),  # both directions in one kernel that reads once
        ),
        Precision(
            name="fp8",
            matmul="fp8",
            attention="bf16",
            activation=2,
            parameter=2,
            gradient=2,
            master=4,
            narrow_input=1.0,
            quantised=2 + 1 + 1,  # delayed scaling: read once, written along rows and transposed
        ),
    )
}


def load_precision(name: str) -> Precision:
    """The registered precision of this name.

    Raises:
        UnknownNameError: no such precision; the message suggests the nearest.
    """
    try:
        return PRECISIONS[name]
    except KeyError:
        raise UnknownNameError("precision", name, PRECISIONS) from None
