"""What lives briefly, at its own moment of a backward pass.

A backward pass runs through the blocks of a stage from the last to the first. What block b needs briefly lies
beside the activations of the blocks up to b; those of later blocks are gone. So beside everything that a
microbatch keeps of the stage, max over b of (brief(b) - kept of the blocks behind b) is needed. Where a
schedule runs gradients of weights in passes of their own (Qi et al. 2023, arXiv:2401.10241) activations wait
for these, nothing is gone earlier, and the largest need counts whole.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from simdl.pipelines.outline import outline
from simdl.pipelines.passes import PassKind
from simdl.step.strategy import Strategy

Floats = NDArray[np.float64]


def frees_blocks(strategy: Strategy) -> bool:
    """Whether a backward pass lets the activations of a block go when it is through with it."""
    kinds = outline(strategy.schedule, strategy.pp, strategy.virtual_stages).kinds
    return PassKind.INPUT_GRADIENT not in kinds


def brief_need(parts: Iterable[tuple[float, float]]) -> float:
    """[bytes] beside everything that is kept, of parts in the order of the chain.

    Args:
        parts: [bytes] that each needs briefly, and that it keeps.

    Example:
        >>> brief_need([(7.0, 1.0), (3.0, 5.0)])
        3.0
    """
    most, later = 0.0, 0.0
    for brief, kept in reversed(list(parts)):
        most = max(most, brief - later)
        later += kept
    return most


def brief_needs(brief: Floats, kept: Floats) -> Floats:
    """The same of many rows at once, [rows x blocks] each."""
    later = np.cumsum(kept[:, ::-1], axis=1)[:, ::-1] - kept
    most: Floats = (brief - later).max(axis=1, initial=0.0)
    return most
