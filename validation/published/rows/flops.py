"""Flops of one step as published reports count them, to turn printed TFLOP/s and MFU into step times.

B sequences of s tokens, l layers, hidden size h, a heads of size d, g key-value heads, feed-forward size f,
vocabulary V. Model flops: 6 B s (l (2 h a d + 2 h g d + k h f) + h V) + 12 B l s^2 a d with k = 3 for gated
feed-forward layers and 2 otherwise; half of the attention term where a report counts causal masks
(Chowdhery et al. 2022, arXiv:2204.02311, appendix B). Megatron counts 24 k B s l h^2 (1 + s / 6h + V / 16lh)
with k = 4 passes where all is recomputed (Narayanan et al. 2021, arXiv:2104.04473, equation 3), else 3.
"""

from collections.abc import Callable, Mapping

from simdl.step.strategy import Recompute
from validation.published.rows.network import Shape
from validation.published.rows.sources import FlopConvention


def _model_flops(shape: Shape, batch: int, *, gated: bool, attention: float) -> float:
    width = shape.heads * shape.head_size
    keys = shape.kv_heads * shape.head_size
    weights = 2 * shape.hidden * (width + keys) + (3 if gated else 2) * shape.hidden * shape.ffn
    products = 6 * batch * shape.tokens * (shape.layers * weights + shape.hidden * shape.vocab)
    return products + attention * 12 * batch * shape.layers * shape.tokens**2 * width


def _full(shape: Shape, batch: int, gated: bool, _recompute: Recompute) -> float:
    return _model_flops(shape, batch, gated=gated, attention=1.0)


def _causal(shape: Shape, batch: int, gated: bool, _recompute: Recompute) -> float:
    return _model_flops(shape, batch, gated=gated, attention=0.5)


def _megatron(shape: Shape, batch: int, _gated: bool, recompute: Recompute) -> float:
    layers, hidden = shape.layers, shape.hidden
    passes = 4 if recompute is Recompute.FULL else 3
    work = 24 * passes * batch * shape.tokens * layers * hidden**2
    return work * (1 + shape.tokens / (6 * hidden) + shape.vocab / (16 * layers * hidden))


_CONVENTIONS: Mapping[FlopConvention, Callable[[Shape, int, bool, Recompute], float]] = {
    "full": _full,
    "causal": _causal,
    "megatron": _megatron,
    "bigscience": _megatron,
}


def reported_flops(
    convention: FlopConvention,
    shape: Shape,
    batch: int,
    *,
    gated: bool,
    recompute: Recompute = Recompute.FULL,
) -> float:
    """Flops of one step in a report's TFLOP/s.

    Args:
        convention: of the source family.
        shape: dimensions of the network.
        batch: sequences of one step.
        gated: feed-forward layers have three matrices.
        recompute: what Megatron's programs count of the backward pass.

    Returns:
        flops of the whole step over all devices.
    """
    return _CONVENTIONS[convention](shape, batch, gated, recompute)


def old_bigscience_flops(parameters: float, shape: Shape, batch: int) -> float:
    """Flops of the early BLOOM estimate, 8 x parameters x tokens (forward, recomputed forward, backward)."""
    return 8 * parameters * shape.tokens * batch


def hardware_flops(shape: Shape, batch: int, *, gated: bool, recompute: Recompute) -> float:
    """Flops that HFU counts: model flops plus those of the recomputed forward pass."""
    model = _full(shape, batch, gated, recompute)
    head = 6 * batch * shape.tokens * shape.hidden * shape.vocab
    if recompute is Recompute.FULL:
        return model + (model - head) / 3
    if recompute is Recompute.SELECTIVE:
        return model + 4 * batch * shape.layers * shape.tokens**2 * shape.heads * shape.head_size
    return model
