"""Memory of every candidate at once: the parts of :mod:`simdl.memory` as arrays.

Exact for 1F1B and GPipe. An interleaved rank is bounded by what is live right after its warm-up, which is
exact where its virtual stages keep the same bytes.
"""

import numpy as np

from planner.prices import Floats, Prices
from planner.shapes import Shape
from simdl.block_cost import Pricing
from simdl.memory import gathered_bytes, state_bytes
from workloads.workload import Workload


def memory_need(shape: Shape, prices: Prices, workload: Workload, pricing: Pricing) -> Floats:
    """[n x ranks] bytes at the peak of every pipeline rank."""
    ranks, rows, kind = shape.ranks, shape.rows, shape.kind
    counts = shape.counts(prices.parameters.shape[1])
    own = (counts @ prices.parameters[rows[0]])[kind].reshape(-1, ranks).sum(axis=0)
    present = counts > 0
    transient = (
        np.stack([prices.transient[rows][:, held].max(axis=1) for held in present], axis=1)[:, kind]
        .reshape(len(rows), -1, ranks)
        .max(axis=1)
    )
    largest = np.array([prices.parameters[rows[0]][held].max() for held in present])[kind]
    state = state_bytes(own, shape.strategy, workload, pricing)
    gathered = gathered_bytes(largest.reshape(-1, ranks).max(axis=0), shape.strategy, pricing)
    saved = (prices.saved[rows] @ counts.T)[:, kind]
    lasting = sum(state.values()) + gathered + pricing.stack.memory_context
    need: Floats = _activations(shape, saved) + transient + lasting
    return need


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
