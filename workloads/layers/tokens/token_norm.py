"""Normalisation of each token's features: LayerNorm, RMSNorm and plain standardisation.

LayerNorm has a scale and a shift, RMSNorm (Zhang and Sennrich 2019, arXiv:1910.07467) a scale only, and
standardisation is LayerNorm with nothing to train (OLMo; Groeneveld et al. 2024, arXiv:2402.00838, section
2.1). All keep their input; the statistics, two numbers a token, are neglected as in Korthikanti et al.
2022, section 4.1.
"""

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.operators import Division, Operator, OperatorKind, Split

# [FLOP] per element forward; nominal, because bytes price these kernels.
NORMALIZATIONS = {"layernorm": 7, "rmsnorm": 4, "standardization": 5}


def norm_parameters(kind: str, features: int, *, shift: bool = True) -> int:
    """Trainable elements of one normalisation; LayerNorm without ``shift`` has its scale only."""
    if kind == "standardization":
        return 0
    return 2 * features if kind == "layernorm" and shift else features


def token_norm(
    name: str,
    source: str,
    *,
    kind: str,
    tokens: int,
    features: int,
    shift: bool = True,
    forked: bool = False,
    keep_input: bool = True,
    split: Division = Split.SEQUENCE,
) -> Layer:
    """Normalises ``tokens`` x ``features`` elements.

    Args:
        name: of the layer.
        source: layer it reads.
        kind: key of ``NORMALIZATIONS``.
        tokens: rows normalised per sample (tokens, or tokens x heads).
        features: elements of a row.
        shift: LayerNorm has a shift.
        forked: another layer reads its input (or, post-normalised, its output) as well, so that two gradients
            are added here.
        keep_input: saves its input (false if another layer keeps the same tensor).
        split: how tensor parallelism divides the rows.
    """
    elements, work = tokens * features, NORMALIZATIONS[kind]
    parameters = norm_parameters(kind, features, shift=shift)
    gradients = [_operator("input gradient", elements, inputs=2, writes=1, work=2 * work, split=split)]
    if forked:
        gradients.append(pointwise("residual gradient", elements, split=split, inputs=2))
    return Layer(
        name=name,
        kind="normalization",
        inputs=(source,),
        output_shape=(tokens, features),
        parameters=parameters,
        forward=(_operator(kind, elements, inputs=1, writes=1, work=work, split=split, weights=parameters),),
        input_gradient=tuple(gradients),
        weight_gradient=(_scale_gradient(elements, parameters, split),) if parameters else (),
        saved=(SavedActivation(name="input", elements=elements, split=split),) if keep_input else (),
        attributes={"over": kind},
    )


def _operator(
    name: str, elements: int, *, inputs: int, writes: int, work: int, split: Division, weights: int = 0
) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.NORMALIZATION,
        flops=work * elements,
        reads=inputs * elements,
        writes=writes * elements,
        weights=weights,
        split=split,
    )


def _scale_gradient(elements: int, parameters: int, split: Division) -> Operator:
    return Operator(
        name="scale gradient",
        kind=OperatorKind.REDUCTION,
        flops=4 * elements,
        reads=2 * elements,
        weights=parameters,
        split=split,
    )
