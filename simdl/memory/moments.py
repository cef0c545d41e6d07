"""What lives briefly, at its own moment of a backward pass.

A backward pass runs through the blocks of a stage from the last to the first. What block b needs briefly lies
beside the activations of the blocks up to b; those of later blocks are gone. So beside everything that a
microbatch keeps of the stage, max over b of (brief(b) - kept of the blocks behind b) is needed. Where a
schedule runs gradients of weights in passes of their own (Qi et al. 2023, arXiv:2401.10241) activations wait
for these, nothing is gone earlier, and the largest need counts whole.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

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


def brief_needs(brief: Floats, kept: Floats, stages: Sequence[Sequence[int]]) -> Floats:
    """:func:`brief_need` of many rows and stages at once: [rows x stages].

    Of blocks of a stage that are alike the last one needs most, because least is kept behind it.

    Args:
        brief: [rows x distinct blocks] bytes.
        kept: [rows x distinct blocks] bytes.
        stages: of each the numbers of its blocks in the order of the chain.
    """
    blocks = np.array([*chain.from_iterable(stages)], dtype=np.int64)
    ends = np.cumsum([len(stage) for stage in stages])
    stage = np.repeat(np.arange(len(stages)), [len(each) for each in stages])
    before = np.zeros((len(blocks) + 1, kept.shape[1]))
    np.cumsum(np.eye(kept.shape[1])[blocks], axis=0, out=before[1:])
    behind = before[ends[stage]] - before[1:]
    lasts = np.flatnonzero(behind[np.arange(len(blocks)), blocks] == 0)
    needs = brief[:, blocks[lasts]] - kept @ behind[lasts].T
    found = np.zeros((len(brief), len(stages)))
    held, starts = np.unique(stage[lasts], return_index=True)
    found[:, held] = np.maximum(np.maximum.reduceat(needs, starts, axis=1), 0.0)
    return found
