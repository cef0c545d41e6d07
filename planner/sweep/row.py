"""One row of a sweep: a question answered, or why it cannot be.

What is answered depends on the question alone, not on the process or on what it answered before, so that rows
of one grid are the same wherever they come from.
"""

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hardware.errors import HardwareError
from hardware.profiles import load_mixed_cluster
from planner.console.format import format_strategy
from planner.questions.question import Question, build_question, for_strategy
from planner.questions.strategy_file import build_strategy
from planner.search.find import find_plans
from planner.search.plan import PlanResult
from planner.sweep.grid import Ask
from simdl.errors import SimdlError, StrategyError
from simdl.program.action import Cause
from simdl.report.step_report import StepReport
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from workloads.errors import WorkloadError
from workloads.network import Network
from workloads.registry import load_network, network_names, registered_name

ASKED = ("model", "cluster", "global_batch", "seq_len", "precision", "optimizer", "stack")
DEGREES = (
    *("dp", "tp", "pp", "cp", "ep", "etp", "micro_batch", "schedule", "virtual_stages", "recompute"),
    *("zero", "shard_degree", "sequence_parallel", "compression", "split_degree"),
)
MEASURES = (
    *("step_time", "samples_per_s", "tokens_per_s", "mfu", "hfu", "flop_rate_per_device", "peak_memory"),
    *("memory_bound_fraction", "bubble_fraction", "exposed_communication"),
)
CAUSES = tuple(f"breakdown_{cause.value}" for cause in Cause)
INTERVAL = ("step_time_low", "step_time_high", "knowledge")
SPACE = ("candidates", "fitting", "simulated", "certified")
COLUMNS = (
    *("row", *ASKED, "devices", "strategy", "status", "reason", "plan"),
    *(*MEASURES, *INTERVAL, *DEGREES, *SPACE, *CAUSES, "assumptions", "warnings"),
)
"""Of the table of results, in base units; empty where there is nothing to say."""
ANSWERED, INFEASIBLE, REFUSED, LOST, FAILED = "answered", "infeasible", "refused", "lost", "failed"
STATUSES = (ANSWERED, INFEASIBLE, REFUSED, LOST, FAILED)
"""What became of a question: answered; nothing fits; it cannot be asked; its workers ended; simdl erred."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A question as a worker gets it, which may not have the asker's files.

    Attributes:
        ask: the question.
        network, cluster: pickled, where they are read from files; None where they are registered.
        refusal: why the files cannot be asked this; empty where they can.
    """

    ask: Ask
    network: bytes | None = None
    cluster: bytes | None = None
    refusal: str = ""


def piece_of(ask: Ask) -> Piece:
    """A question with what its files hold."""
    options = ask.options
    try:
        network = None if is_registered(options.model) else _file_network(options.model, options.seq_len)
        cluster = _file_cluster(options.cluster) if ".toml" in options.cluster else None
    except (WorkloadError, HardwareError) as error:
        return Piece(ask=ask, refusal=str(error))
    return Piece(ask=ask, network=network, cluster=cluster)


def is_registered(model: str) -> bool:
    """Whether a model is one by name, rather than a file."""
    return registered_name(model) in network_names()


@lru_cache(maxsize=1024)
def _file_network(model: str, seq_len: int | None) -> bytes:
    return pickle.dumps(load_network(model, tokens=seq_len))


@lru_cache(maxsize=1024)
def _file_cluster(text: str) -> bytes:
    return pickle.dumps(load_mixed_cluster(text))


def group_of(ask: Ask) -> str:
    """Questions of one group share prices: those of one network on one kind of node, in one number format."""
    options = ask.options
    node = options.cluster.partition(":")[0]
    return "|".join(map(str, (options.model, options.seq_len, node, options.precision, options.stack)))


def answer_row(piece: Piece) -> Row:
    """The answer to a question by column, without its number; only what has a value."""
    ask = piece.ask
    found: Row = {key: getattr(ask.options, key) for key in ASKED} | {"strategy": ask.strategy}
    if piece.refusal:
        return lost_row(ask, REFUSED, piece.refusal)
    try:
        question = _question(piece)
        found |= {key: getattr(question.options, key) for key in ASKED}
        found |= {"devices": question.cluster.devices, "seq_len": _tokens(question)}
        found |= _planned(question) if ask.values is None else _simulated(question, ask)
    except (HardwareError, WorkloadError, SimdlError) as error:
        found |= {"status": REFUSED, "reason": _reason(error)}
    return {key: value for key, value in found.items() if value is not None}


def lost_row(ask: Ask, status: str, reason: str) -> Row:
    """The row of a question that nobody answered."""
    found: Row = {key: getattr(ask.options, key) for key in ASKED}
    found |= {"strategy": ask.strategy, "status": status, "reason": reason}
    return {key: value for key, value in found.items() if value is not None}


def _reason(error: Exception) -> str:
    reasons = error.reasons if isinstance(error, StrategyError) else (str(error),)
    return "; ".join(reasons)


def _question(piece: Piece) -> Question:
    options = piece.ask.options
    network = _network(options.model, options.seq_len) if piece.network is None else _unpickled(piece.network)
    cluster = load_mixed_cluster(options.cluster) if piece.cluster is None else _unpickled(piece.cluster)
    return build_question(options, network, cluster)


@lru_cache(maxsize=64)
def _network(model: str, seq_len: int | None) -> Network:
    """One object per network and process, because prices are remembered by object."""
    return load_network(model, tokens=seq_len)


@lru_cache(maxsize=64)
def _unpickled(data: bytes) -> Any:  # noqa: ANN401 - a network or a cluster
    """One object per pickle and process, for the same reason."""
    return pickle.loads(data)  # noqa: S301 - from the process that asks


def _tokens(question: Question) -> int | None:
    network = question.workload.network
    return network.tokens if network.sample == "sequence" else None


def _planned(question: Question) -> Row:
    """The planner's best strategy."""
    result = find_plans(question, top=1, explained=False)
    told: Row = {
        "candidates": result.candidates,
        "fitting": result.feasible,
        "simulated": result.simulated,
        "certified": result.certified,
        "assumptions": "; ".join(question.assumptions),
    }
    if not result.plans:
        return told | {"status": INFEASIBLE, "reason": _infeasible(result)}
    return told | {"status": ANSWERED} | _measures(result.plans[0].report)


def _infeasible(result: PlanResult) -> str:
    return "; ".join(result.reasons) or "no feasible plan"


def _simulated(question: Question, ask: Ask) -> Row:
    """A strategy of the grid."""
    strategy = build_strategy(_thawed(ask), question.cluster)
    asked = for_strategy(question, ask.options, strategy)
    report = simulate(asked.workload, asked.cluster, strategy, stack=asked.stack).report
    status = ANSWERED if report.feasible else INFEASIBLE
    return {
        "stack": asked.options.stack,
        "assumptions": "; ".join(asked.assumptions),
        "status": status,
        "reason": "; ".join(report.reasons) or None,
        **_measures(report),
    }


def _thawed(ask: Ask) -> Mapping[str, Any]:
    assert ask.values is not None  # noqa: S101 (a strategy was given)
    return dict(ask.values)


def _measures(report: StepReport) -> Row:
    interval = report.interval
    return {
        "plan": format_strategy(report.strategy),
        **{key: getattr(report, key) for key in MEASURES},
        "step_time_low": interval.low,
        "step_time_high": interval.high,
        "knowledge": interval.knowledge,
        **dict(_degrees(report.strategy)),
        **{f"breakdown_{cause}": seconds for cause, seconds in report.breakdown.items()},
        "warnings": "; ".join(report.warnings) or None,
    }


def _degrees(strategy: Strategy) -> Iterator[tuple[str, Any]]:
    for key in DEGREES:
        value = getattr(strategy, key)
        yield key, str(value) if isinstance(value, str) else value
