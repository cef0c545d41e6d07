"""Memory of every candidate at once: the parts of :mod:`simdl.memory` as arrays.

Exact for 1F1B and GPipe. An interleaved rank is bounded by what is live right after its warm-up, which is
exact where its virtual stages keep the same bytes.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from planner.prices import Floats, Prices
from planner.shapes import Shape
from planner.space import Integers
from simdl.memory import gathered_bytes, state_bytes
from simdl.pricing import Pricing
from workloads.workload import Workload


def memory_needs(
    shape: Shape, prices: Prices, workload: Workload, pricing: Pricing
) -> Iterator[tuple[Integers, Floats]]:
    """Candidates and the [n x ranks] bytes at the peak of every rank, for every variant of a shape."""
    ranks, rows, kind = shape.ranks, shape.rows, shape.kind
    counts = shape.counts(prices.parameters.shape[1])
    own = (counts @ prices.parameters[rows[0]])[kind].reshape(-1, ranks).sum(axis=0)
    present = counts > 0
    blocks = np.array(shape.kinds[0])  # where ZeRO shards blocks there is one stage
    live = _activations(shape, (prices.saved[rows] @ counts.T)[:, kind]) + _transient(shape, prices, present)
    for strategy, candidates in shape.variants:
        state = state_bytes(own, strategy, workload, pricing)
        whole = gathered_bytes(
            prices.parameters[rows[0]][blocks], prices.saved[rows][:, blocks], strategy, pricing
        )
        lasting = sum(state.values()) + pricing.stack.memory_context
        yield candidates, live + lasting + whole[:, None]


def _transient(shape: Shape, prices: Prices, present: NDArray[np.bool_]) -> Floats:
    """[n x ranks] bytes of the largest short-lived need."""
    kinds = [prices.transient[shape.rows][:, held].max(axis=1) for held in present]
    stages = np.stack(kinds, axis=1)[:, shape.kind]
    largest: Floats = stages.reshape(len(shape.rows), -1, shape.ranks).max(axis=1)
    return largest


def _activations(shape: Shape, saved: Floats) -> Floats:
    """[n x ranks] bytes of activations that are live together."""
    ranks, chunks = shape.ranks, shape.strategy.virtual_stages
    m = shape.microbatches[:, None]
    if shape.strategy.schedule == "gpipe":
        return m * saved
    if chunks == 1:
        return np.minimum(m, np.arange(ranks, 0, -1)) * saved
    warm_up = 2 * np.arange(ranks - 1, -1, -1) + (chunks - 1) * ranks
    passes = np.minimum(warm_up + 1, m * chunks)
    groups, rest = np.divmod(passes, ranks * chunks)
    live = np.zeros_like(saved[:, :ranks])
    for chunk in range(chunks):
        held = groups * ranks + np.clip(rest - chunk * ranks, 0, ranks)
        live += held * saved[:, chunk * ranks : (chunk + 1) * ranks]
    return live
