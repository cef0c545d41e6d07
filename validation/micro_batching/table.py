"""A convolution table of one network, measured here: every algorithm of a library at every batch."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

from planner.microbatch.convolutions import ConvolutionPass
from simdl.kernels.convolution_table import ConvolutionRow
from validation.microbenchmarks.backend import Backend, OutOfMemoryError, UnsupportedCaseError
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.families.convolution import convolution_dims
from validation.microbenchmarks.timing import sample

BUDGET = 0.01
"""[s] for the samples of one row in one round, beyond the fewest that are taken."""

ROUNDS = 2
"""Times that every row of a pass is measured, in turns; the quieter one counts."""

SIZE = 4
"""[bytes] of an FP32 element."""


def measure_rows(
    backend: Backend,
    passes: Sequence[ConvolutionPass],
    sizes: Sequence[int],
    progress: Callable[[str], None] = lambda _text: None,
) -> list[ConvolutionRow]:
    """Rows of every pass, in FP32; what does not run or fit has none.

    Args:
        backend: library and device.
        passes: of a network.
        sizes: of batches.
        progress: told of each pass that is measured.
    """
    facts = backend.facts()
    device = facts.registered or facts.name
    known: dict[object, list[tuple[str, int, float, float]]] = {}
    rows = []
    for part in passes:
        key = part.shape, part.which
        if key not in known:
            progress(f"{part.layer} {part.which.value}")
            known[key] = list(_measure(backend, part, sizes))
        rows += [
            ConvolutionRow(
                device=device,
                layer=part.layer,
                which=part.which,
                algorithm=algorithm,
                batch=batch,
                time=time,
                workspace=workspace,
            )
            for algorithm, batch, time, workspace in known[key]
        ]
    return rows


def _measure(
    backend: Backend, part: ConvolutionPass, sizes: Sequence[int]
) -> Iterator[tuple[str, int, float, float]]:
    """(algorithm, batch, seconds, workspace) of what runs."""
    best: dict[tuple[str, int], tuple[float, float]] = {}
    refused: set[tuple[str, int]] = set()
    for algorithm, batch in list(product(backend.offer().algorithms, sizes)) * ROUNDS:
        key = algorithm, batch
        if key in refused:
            continue
        try:
            found = _time(backend, _case(part, batch, algorithm))
            best[key] = min(found, best.get(key, found))
        except (UnsupportedCaseError, OutOfMemoryError):
            refused.add(key)
        finally:
            backend.release()
    return ((*key, *found) for key, found in best.items())


def _time(backend: Backend, case: Case) -> tuple[float, float]:
    prepared = backend.prepare(case)
    with prepared.background():
        timing = sample(prepared.calls, prepared.timer or backend.timer(), BUDGET)
    return timing.quiet / prepared.per_call, prepared.workspace


def _case(part: ConvolutionPass, batch: int, algorithm: str) -> Case:
    return Case(
        family="convolution",
        kernel=f"convolution/{part.which.value}",
        dims=convolution_dims(part.shape, batch),
        algorithm=algorithm,
        nbytes=float(SIZE * (batch * part.elements + part.weights)),
    )
