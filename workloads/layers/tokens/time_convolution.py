"""Short convolutions over time of every feature alone, as in Mamba, delta-rule and LFM2 layers."""

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.operators import Operator, OperatorKind, Split

SILU = 4  # [FLOP] an element


def time_convolution(
    name: str, source: str, *, tokens: int, features: int, taps: int, bias: bool, activated: bool = True
) -> Layer:
    """A causal convolution of ``taps`` tokens, features divided over tensor-parallel ranks.

    Args:
        name: of the layer.
        source: layer it reads.
        tokens: of a sequence.
        features: each with taps of its own.
        taps: tokens that an output sees.
        bias: adds one a feature.
        activated: SiLU follows in the same kernel.
    """
    elements, weights = tokens * features, features * (taps + int(bias))
    work, split = 2 * taps + (SILU if activated else 0), Split.COLUMN
    weight = Operator(
        name="tap gradient",
        kind=OperatorKind.REDUCTION,
        flops=2 * taps * elements,
        reads=2 * elements,
        weights=weights,
        split=split,
    )
    return Layer(
        name=name,
        kind="time_convolution",
        inputs=(source,),
        output_shape=(tokens, features),
        parameters=weights,
        parameter_split=split,
        forward=(pointwise("convolution", elements, split=split, weights=weights, work=work),),
        input_gradient=(pointwise("convolution gradient", elements, split=split, inputs=2, work=2 * work),),
        weight_gradient=(weight,),
        saved=(SavedActivation(name="input", elements=elements, split=split),),
    )
