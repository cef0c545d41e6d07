"""Predict published rows: one result per row, either a pair of numbers or the reason why there is none."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from hardware.cluster import Cluster
from hardware.errors import HardwareError
from simdl.errors import SimdlError, StrategyError
from simdl.inference.forward import forward_seconds
from simdl.memory.needs import memory_shortfalls
from simdl.report.step_report import StepReport
from simdl.software.reader import load_stack
from simdl.software.stack import Stack
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy, problems
from validation.errors import RowSkippedError
from validation.published.fits import fitted_on
from validation.published.rows.language_model import language_model_setup
from validation.published.rows.setup import Setup
from validation.published.rows.throughput import throughput_setup
from validation.published.tables import PublishedRow
from workloads.errors import WorkloadError
from workloads.workload import Workload

# What torch/nn/parallel/replicate.py takes for each variable of every replica, in launches: a slice of what
# was broadcast, the copy of the module and its attributes, those for what a norm counts among them. Chosen
# on torchvision's steps of 1 to 4 devices.
_REPLICATE = 1.0
# [bytes/s] "without pinned memory, I normally see transfers at 5-6 GB/s" over PCIe 3.0 (pull request 98 of
# rapidsai/dask-cuda, August 2019)
_PAGEABLE = 5.5e9
StackLoader = Callable[[str], Stack]
Answer = Callable[[Workload, Cluster, tuple[Strategy, ...], Stack], StepReport]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowResult:
    """What became of one published row.

    Attributes:
        row: the printed cells.
        setup: the question asked, None where the row is not even that.
        report: the prediction (its ``strategy`` is the candidate chosen), None where there is none.
        predicted: in the unit of ``setup``; None where the row is skipped.
        skipped: why the row is not scored, None where it is.
        fitted: a number of the stack or the device was fitted on this very run.
    """

    row: PublishedRow
    setup: Setup | None = None
    report: StepReport | None = None
    predicted: float | None = None
    skipped: str | None = None
    fitted: bool = False


def predict_rows(
    rows: Iterable[PublishedRow], *, stack_loader: StackLoader = load_stack
) -> Iterator[RowResult]:
    """Predict rows one after another; rows that ask the same are simulated once.

    Args:
        rows: of any published tables.
        stack_loader: stack name to stack; pass another one to try other stack numbers.
    """
    loader, answer = cache(stack_loader), cache(first_that_fits)
    for row in rows:
        yield predict_row(row, stack_loader=loader, answer=answer)


def predict_shipped(row: PublishedRow) -> RowResult:
    """Predict one row with the stacks as they are; rows that ask the same are simulated once per process."""
    return predict_row(row, stack_loader=load_stack, answer=_remembered)


@lru_cache(maxsize=4096)
def _remembered(
    workload: Workload, cluster: Cluster, strategies: tuple[Strategy, ...], stack: Stack
) -> StepReport:
    return first_that_fits(workload, cluster, strategies, stack)


def row_setup(row: PublishedRow) -> Setup:
    """The question a row asks.

    Raises:
        RowSkippedError: it cannot be asked; the message says why.
    """
    return language_model_setup(row) if row.kind == "llm" else throughput_setup(row)


def predict_row(row: PublishedRow, *, stack_loader: StackLoader, answer: Answer | None = None) -> RowResult:
    """Predict one row.

    Args:
        row: printed cells.
        stack_loader: stack name to stack.
        answer: simulates one question; `first_that_fits` unless given.
    """
    try:
        setup = row_setup(row)
    except RowSkippedError as error:
        return RowResult(row=row, skipped=str(error))
    try:
        stack = asked_stack(setup, stack_loader(setup.stack))
        if setup.part == "forward":
            return _forward_only(row, setup, stack)
        report = (answer or first_that_fits)(setup.workload, setup.cluster, setup.strategies, stack)
    except (SimdlError, HardwareError, WorkloadError) as error:
        return RowResult(row=row, setup=setup, skipped=f"cannot be simulated: {error}")
    scored = setup.measured is not None and not setup.out_of_memory
    return RowResult(
        row=row,
        setup=setup,
        report=report,
        predicted=_predicted(report, setup) if scored else None,
        skipped=None if scored else _unscored(setup),
        fitted=fitted_on(row, stack, setup.cluster.device),
    )


def asked_stack(setup: Setup, stack: Stack) -> Stack:
    """The stack of a question as its program runs it: so many replicas a process, so much copied a step."""
    if not setup.copied:
        return launching(stack, setup.launch_factor)
    return copying(launching(stack, setup.launch_factor), setup.copied)


@cache
def copying(stack: Stack, copied: float) -> Stack:
    """A stack whose steps wait for so many bytes from pageable memory of the host."""
    return replace(stack, step_overhead=stack.step_overhead + copied / _PAGEABLE)


@cache
def launching(stack: Stack, replicas: int) -> Stack:
    """A stack whose one host process launches the kernels of so many replicas (``nn.DataParallel``).

    Threads that run the replicas' forward passes take turns at the interpreter's lock, and before them
    modules are copied variable by variable; backward passes are launched by a thread of the autograd engine
    for each device (torch/nn/parallel/parallel_apply.py, torch/csrc/autograd/engine.cpp).
    """
    if replicas == 1:
        return stack
    return replace(
        stack,
        launch=stack.launch * replicas,
        backward_launch=stack.backward_launch / replicas,
        variable_overhead=stack.variable_overhead + replicas * _REPLICATE * stack.launch,
    )


def first_that_fits(
    workload: Workload, cluster: Cluster, strategies: tuple[Strategy, ...], stack: Stack
) -> StepReport:
    """Report of the first candidate that fits in memory, of the last one where none does.

    Where all but the last do not fit, the last recomputes as few blocks of each virtual stage as fit.

    Raises:
        SimdlError: the strategy cannot be carried out at all.
    """
    fitting = (s for s in strategies[:-1] if fits(workload, cluster, s, stack))
    strategy = next(fitting, None)
    if strategy is None:
        strategy = strategies[-1]
        if len(strategies) > 1:
            strategy = fewest_blocks(workload, cluster, strategy, stack)
    return simulate(workload, cluster, strategy, stack=stack).report


def fewest_blocks(workload: Workload, cluster: Cluster, strategy: Strategy, stack: Stack) -> Strategy:
    """The strategy with as few recomputed blocks of each virtual stage as fit in memory.

    Memory falls with their number, so bisection finds it; all blocks where no part of them suffices.

    Raises:
        StrategyError: the strategy cannot be carried out at all.
    """
    if strategy.recompute is Recompute.NONE or strategy.split_degree > 1:
        return strategy
    most = max(strategy.stages, default=-(-workload.network.depth // (strategy.pp * strategy.virtual_stages)))

    def enough(layers: int) -> bool:
        return fits(workload, cluster, replace(strategy, recompute_layers=layers), stack)

    layers = bisect_left(range(1, most), x=True, key=enough) + 1
    return strategy if layers >= most else replace(strategy, recompute_layers=layers)


def fits(workload: Workload, cluster: Cluster, strategy: Strategy, stack: Stack) -> bool:
    """Whether a strategy fits in memory, found without simulating the step.

    Raises:
        StrategyError: the strategy cannot be carried out at all.
    """
    reasons = tuple(problems(strategy, workload, cluster))
    if reasons:
        raise StrategyError(reasons)
    step = step_cost(workload, strategy, price(workload, cluster, stack=stack))
    return not tuple(memory_shortfalls(step, cluster.device))


def _forward_only(row: PublishedRow, setup: Setup, stack: Stack) -> RowResult:
    seconds = forward_seconds(setup.workload, setup.cluster, stack=stack)
    return RowResult(
        row=row,
        setup=setup,
        predicted=_in_unit(seconds, setup),
        fitted=fitted_on(row, stack, setup.cluster.device),
    )


def _predicted(report: StepReport, setup: Setup) -> float:
    update = report.breakdown.get("optimizer", 0.0) if setup.part == "gradients" else 0.0
    return _in_unit(report.step_time - update, setup)


def _in_unit(seconds: float, setup: Setup) -> float:
    samples = setup.workload.global_batch
    if setup.unit == "s":
        return seconds
    if setup.unit == "samples/s":
        return samples / seconds
    return samples * setup.workload.network.tokens * setup.counted / seconds


def _unscored(setup: Setup) -> str:
    if setup.out_of_memory:
        return "ran out of memory: checked under memory"
    return "only memory is published: checked under memory"
