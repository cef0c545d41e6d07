"""What a user leaves open of a strategy: the least memory saving that fits.

Savers are taken up in one order, and each only as far as the earlier ones do not suffice:

1. sequence parallelism, where tensor parallelism is there anyway;
2. ZeRO stage 1, 2, 3;
3. smaller micro-batches, from all samples of a replica at once down to one (with a pipeline the smallest,
   because many small ones fill it);
4. recomputation, selective, then full;
5. expert, 6. tensor (within a node), 7. pipeline, 8. context parallelism.

So of two strategies that fit, the one that does with less of the last saver is taken, then of the one before
it, and so on. What is asked for is kept, and only what software, network and batch allow is tried. A saver
saves more the further it goes, so whether its value suffices is seen with all earlier savers at their utmost.
Tables that are never copied (DLRM) start on all ranks: they have no replicas.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hardware.cluster import Cluster
from planner.console.format import format_strategy
from planner.questions.question import Options, Question, for_strategy
from planner.questions.strategy_file import build_strategy
from planner.space.candidates import RECOMPUTE, Limits, recompute_modes
from simdl.divisors import divisors
from simdl.errors import SimdlError
from simdl.kernels.pricing import Pricing
from simdl.memory.needs import memory_by_rank, memory_shortfalls
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.kinds import uniform_clusters
from simdl.step.mixed import mixed_memory, mixed_shortfalls, mixed_step, share_problems
from simdl.step.simulate import price
from simdl.step.strategy import (
    Recompute,
    Strategy,
    expert_problems,
    problems,
    refused,
    tensor_problems,
)
from simdl.step.strategy_notes import unsupported
from workloads.network import Network

DEGREES = ("cp", "pp", "tp", "ep")
"""Savers that divide the network, the last resort first."""
NAMES = {
    "dp": "data parallelism (dp)",
    "tp": "tensor parallelism (tp)",
    "pp": "pipeline parallelism (pp)",
    "cp": "context parallelism (cp)",
    "ep": "expert parallelism (ep)",
    "recompute": "recomputation",
    "micro_batch": "micro-batch (mb)",
    "zero": "ZeRO stage",
}
ALWAYS = ("dp", "micro_batch")
"""Fields that are told whatever they are."""
PLAIN = Strategy()
PASSES = Limits().passes
"""Of a pipeline that is chosen, at most, as of candidates of the planner."""
NOTHING = "nothing left open fits: even with all memory savers,"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A strategy with nothing left open.

    Attributes:
        question: with the stack that usually runs such a strategy, where its user named none.
        strategy: that fits, or the one that saves most where none does.
        chosen: what was chosen for what was left open, and why, in one sentence; empty where nothing was.
    """

    question: Question
    strategy: Strategy
    chosen: str


@dataclass(slots=True)
class _Fits:
    """Whether strategies can be carried out and fit, each looked at once."""

    question: Question
    options: Options
    given: Mapping[str, Any]
    room: int | None = None
    reasons: dict[Strategy, str] = field(default_factory=dict)
    needs: dict[Strategy, float] = field(default_factory=dict)
    pricings: dict[str, list[Pricing]] = field(default_factory=dict)

    def reason(self, strategy: Strategy) -> str:
        """Why a strategy cannot be carried out or does not fit; empty where it does."""
        if strategy not in self.reasons:
            self.reasons[strategy] = self.refusal(strategy) or self._shortfall(strategy)
        return self.reasons[strategy]

    def refusal(self, strategy: Strategy) -> str:
        """Why a strategy cannot be carried out; empty where it can."""
        asked = for_strategy(self.question, self.options, strategy)
        workload, cluster, stack = asked.workload, asked.cluster, asked.stack
        occupied = None if self.room is None else min(strategy.devices, self.room)
        found = (
            *problems(strategy, workload, cluster, devices=occupied),
            *share_problems(strategy, workload, cluster),
            *refused(strategy, stack),
            *unsupported(self._chosen(strategy), workload.network, stack),
        )
        return "; ".join(found)

    def _chosen(self, strategy: Strategy) -> Strategy:
        """The strategy without what its user asks of the software, for which the simulator has a warning."""
        plain = {name: getattr(PLAIN, name) for name in ("zero", "cp") if name in self.given}
        return replace(strategy, **plain) if plain else strategy

    def _shortfall(self, strategy: Strategy) -> str:
        asked = for_strategy(self.question, self.options, strategy)
        workload, cluster, stack = asked.workload, asked.cluster, asked.stack
        if stack.name not in self.pricings:
            kinds = uniform_clusters(cluster) if cluster.more else (cluster,)
            self.pricings[stack.name] = [price(workload, kind, stack=stack) for kind in kinds]
        pricings = self.pricings[stack.name]
        if cluster.more:
            mixed = mixed_step(workload, cluster, strategy, pricings)
            self.needs[strategy] = max(sum(parts.values()) for _, _, parts in mixed_memory(mixed))
            return next(mixed_shortfalls(mixed), "")
        step = step_cost(workload, strategy, pricings[0])
        self.needs[strategy] = max(sum(parts.values()) for parts in memory_by_rank(step))
        return next(memory_shortfalls(step, cluster.device), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Savers:
    """Values of the savers that do not divide the network, the least saving first."""

    degrees: Mapping[str, Any]
    recompute: Sequence[str]
    micro_batch: Sequence[int]
    zero: Sequence[int]
    sequence_parallel: Sequence[bool]

    @property
    def least(self) -> dict[str, Any]:
        """The values that save least."""
        return self._at(0)

    @property
    def most(self) -> dict[str, Any]:
        """The values that save most."""
        return self._at(-1)

    def _at(self, place: int) -> dict[str, Any]:
        return {
            **self.degrees,
            "recompute": self.recompute[place],
            "micro_batch": self.micro_batch[place],
            "zero": self.zero[place],
            "sequence_parallel": self.sequence_parallel[place],
        }


def choose_rest(
    question: Question, options: Options, given: Mapping[str, Any], *, room: int | None = None
) -> Choice:
    """The strategy of the values that are given, the others chosen to save as little memory as fits.

    Args:
        question: read from the options.
        options: as the user gave them.
        given: values by field of a strategy.
        room: devices that it may occupy at most; all of the cluster, and no fewer, where None.

    Raises:
        StrategyError: unknown keys or wrong values, or what is given cannot be carried out whatever the rest.
    """
    plain = build_strategy(given, question.cluster)
    fits, least, corners = _Fits(question, options, given, room), plain, list[Strategy]()
    for savers in _all_savers(question, given, fits):
        corners.append(_built(savers.most, given, question.cluster))
        if len(corners) == 1:
            least = _built(savers.least, given, question.cluster)
        if not fits.reason(corners[-1]):
            found = _least_saving(savers, given, fits)
            return _choice(question, options, found, given, _why(plain, least, found, fits))
    if not corners:  # not to be carried out at all: the simulator says why
        return Choice(question=for_strategy(question, options, plain), strategy=plain, chosen="")
    nearest = min(corners, key=fits.needs.__getitem__)
    return _choice(question, options, nearest, given, f"{NOTHING} {fits.reason(nearest)}")


def does_not_fit(choice: Choice, reason: str) -> SimdlError:
    """The refusal of a strategy that needs more memory than there is, ``reason`` being where and how much."""
    left = "; no memory saving that is left open suffices" if NOTHING in choice.chosen else ""
    return SimdlError(
        f"{format_strategy(choice.strategy)} does not fit: {reason}{left}; expected more devices, "
        "larger ones, or a strategy of simdl plan"
    )


def _choice(
    question: Question, options: Options, strategy: Strategy, given: Mapping[str, Any], why: str
) -> Choice:
    return Choice(
        question=for_strategy(question, options, strategy),
        strategy=strategy,
        chosen=_sentence(strategy, given, why),
    )


def _all_savers(question: Question, given: Mapping[str, Any], fits: _Fits) -> Iterator[_Savers]:
    """Savers for all degrees that can be carried out, the degrees that divide least first."""
    for degrees in _degrees(question, given):
        found = _savers(degrees, question, given, fits)
        if found is not None:
            yield found


def _degrees(question: Question, given: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    """Degrees that use all devices, the least cp first, then the least pp, tp and ep."""
    network, cluster = question.workload.network, question.cluster
    devices = cluster.devices // max(1, given.get("dp", 1) * given.get("split_degree", 1))
    asked = {name: [given[name]] for name in DEGREES if name in given}
    for cp in asked.get("cp", _context_degrees(network, devices)):
        for pp in asked.get("pp", [each for each in divisors(devices) if each <= network.depth]):
            for tp in asked.get("tp", _tensor_degrees(network, cluster)):
                if "dp" in given or not devices % (cp * pp * tp):
                    for ep in asked.get("ep", _expert_degrees(network, devices // (cp * pp * tp) or 1)):
                        yield {"cp": cp, "pp": pp, "tp": tp, "ep": ep}


def _context_degrees(network: Network, devices: int) -> list[int]:
    if network.parted:  # a graph or tables: dividing them is how they are trained at all
        found = [each for each in divisors(devices) if each <= network.parted]
        return found[::-1] if network.part == "row" else found  # tables have no replicas
    return [1] if network.sequential else [each for each in divisors(devices) if network.tokens % each == 0]


def _tensor_degrees(network: Network, cluster: Cluster) -> list[int]:
    """Degrees that divide the network and stay on the innermost links."""
    inside = min(part.levels[0].size or part.devices for part in cluster.parts)
    return [each for each in divisors(inside) if not any(tensor_problems(network, each))]


def _expert_degrees(network: Network, replicas: int) -> list[int]:
    if not network.experts:
        return [1]
    return [each for each in divisors(replicas) if not any(expert_problems(network, each, 1))] or [1]


def _savers(
    degrees: Mapping[str, int], question: Question, given: Mapping[str, Any], fits: _Fits
) -> _Savers | None:
    """The other savers for some degrees; None where these cannot be carried out."""
    workload, cluster = question.workload, question.cluster
    modes = _modes(workload.network, given)

    def possible(**values: Any) -> bool:  # noqa: ANN401 - values by field
        return not fits.refusal(_built({**degrees, "recompute": modes[-1], **values}, given, cluster))

    sequence = _asked(given, "sequence_parallel", [False, True] if degrees["tp"] > 1 else [False])
    plain = _built(degrees, given, cluster)
    zeros = _asked(given, "zero", [0, 1, 2, 3] if plain.reduces else [0])
    sizes = _asked(given, "micro_batch", divisors(max(1, workload.global_batch // plain.dp)))
    batches = {
        (zero, each): [
            size for size in sizes if possible(zero=zero, sequence_parallel=each, micro_batch=size)
        ]
        for zero in zeros
        for each in sequence
    }
    pairs = [pair for pair, found in batches.items() if found]
    if not pairs:
        return None
    rising = batches[pairs[0]]
    return _Savers(
        degrees=degrees,
        recompute=_asked(given, "recompute", modes),
        micro_batch=rising[::-1] if degrees["pp"] == 1 else [_filling(rising, plain, workload.global_batch)],
        zero=list(dict.fromkeys(zero for zero, _ in pairs)),
        sequence_parallel=list(dict.fromkeys(each for _, each in pairs)),
    )


def _filling(sizes: Sequence[int], strategy: Strategy, batch: int) -> int:
    """The smallest micro-batch whose step of a pipeline is simulated within seconds, else the largest."""
    each = strategy.passes(batch) * strategy.micro_batch
    return next((size for size in sizes if each <= size * PASSES), sizes[-1])


def _modes(network: Network, given: Mapping[str, Any]) -> list[str]:
    """Recomputation that may be chosen: none beside a plan of memory savers, some for a number of blocks."""
    if given.get("savers"):
        return [Recompute.NONE.value]
    modes = [RECOMPUTE[index].value for index in recompute_modes(network)]
    return [each for each in modes if each != Recompute.NONE or not given.get("recompute_layers")] or modes


def _asked(given: Mapping[str, Any], name: str, otherwise: Sequence[Any]) -> Sequence[Any]:
    return [given[name]] if name in given else otherwise


def _least_saving(savers: _Savers, given: Mapping[str, Any], fits: _Fits) -> Strategy:
    """The least saving strategy of some degrees, of which the most saving one fits."""
    values, cluster = savers.most, fits.question.cluster
    for name in ("recompute", "micro_batch", "zero", "sequence_parallel"):
        for value in getattr(savers, name):
            tried = {**values, name: value}
            if not fits.reason(_built(tried, given, cluster)):
                values = tried
                break
    return _built(values, given, cluster)


def _built(values: Mapping[str, Any], given: Mapping[str, Any], cluster: Cluster) -> Strategy:
    return build_strategy({**values, **given}, cluster)


def _why(plain: Strategy, least: Strategy, found: Strategy, fits: _Fits) -> str:
    """Why not less was saved: because of the memory, or because it cannot be carried out."""
    if reason := fits.refusal(plain):
        return f"the least memory saving that fits where {reason}"
    if found == least:
        saves = least.recompute is not Recompute.NONE or least.savers or least.zero
        return f"it fits without saving {'more ' if saves else ''}memory"
    return f"the least memory saving that fits: with {format_strategy(least)} {fits.reason(least)}"


def _sentence(strategy: Strategy, given: Mapping[str, Any], why: str) -> str:
    """What was chosen, names written out, and why; empty where only the number of replicas was left open."""
    words = [
        f"{text} {getattr(strategy, name)}"
        for name, text in NAMES.items()
        if name not in given and (name in ALWAYS or getattr(strategy, name) != getattr(PLAIN, name))
    ]
    if strategy.sequence_parallel and "sequence_parallel" not in given:
        words.append("sequence parallelism (SP)")
    only_replicas = len(words) == 1 and "dp" not in given
    return "" if only_replicas or not words else f"{', '.join(words)}: {why}"
