"""The front door: workload, cluster, strategy and scheme to a training of many steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hardware.cluster import Cluster
from simdl.collector import collector_paused
from simdl.errors import ShortfallError, StrategyError
from simdl.memory.needs import memory_shortfalls
from simdl.software.stack import Stack
from simdl.step.costs.step_cost import StepCost
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price
from simdl.step.strategy import Strategy, problems, refused
from simdl.synchrony.draws import Draws
from simdl.synchrony.exchange import Wiring, find_wiring
from simdl.synchrony.link_uses import average_uses, collective_uses
from simdl.synchrony.order_statistics import expected_order_statistic
from simdl.synchrony.outcome import Outcome, station_uses
from simdl.synchrony.registry import SCHEMES
from simdl.synchrony.scheme import Scheme
from simdl.synchrony.slowdown import Slowdown
from simdl.synchrony.step_times import StepTimes, step_times
from simdl.synchrony.training import Setting, Training
from workloads.workload import Workload

EVENTS = 20_000_000
"""Worker steps times servers at most: some minutes of simulation."""
ROUNDING = 1e-12
"""Share of all workers' time below which waiting is what sums of times are rounded by."""
RECORDED = 64
"""Workers whose spans are kept at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """A training, and the synchronous step that it is held to.

    Attributes:
        outcome: of the scheme.
        ordinary: [s] of the ordinary step without slow-downs.
        synchronous: the synchronous training with the same slow-downs.
        expected: [s] per step by order statistics where the scheme waits for the k-th of n workers and
            slow-downs are alike and independent; None elsewhere.
        expected_synchronous: [s] the same of the synchronous training.
        warnings: of the priced step.
    """

    outcome: Outcome
    ordinary: float
    synchronous: Outcome
    expected: float | None
    expected_synchronous: float | None
    warnings: tuple[str, ...] = ()

    @property
    def removed(self) -> float | None:
        """Share of what slow-downs cost the synchronous training that the scheme saves; None without cost."""
        cost = self.synchronous.step_time - self.ordinary
        if cost <= 1e-9 * self.ordinary:
            return None
        return (self.synchronous.step_time - self.outcome.step_time) / cost


@collector_paused()
def compare_schemes(
    workload: Workload,
    cluster: Cluster,
    strategy: Strategy,
    *,
    stack: Stack,
    scheme: Scheme,
    setting: Setting,
    slowdowns: Sequence[Slowdown] = (),
    recorded: int = 0,
) -> Comparison:
    """Train by a scheme and synchronously.

    Args:
        workload: its global batch is what the needed workers compute in a step.
        cluster: on what.
        strategy: of one synchronous step over the needed workers; a worker is one of its replicas.
        stack: the software it runs on.
        scheme: when workers exchange what.
        setting: workers, servers, steps, bound, period and seed.
        slowdowns: that multiply.
        recorded: workers whose spans are kept.

    Raises:
        StrategyError: the strategy or the setting cannot be carried out; carries every reason.
        ShortfallError: the strategy needs more memory than a device has.
    """
    reasons = [*problems(strategy, workload, cluster, devices=strategy.devices), *refused(strategy, stack)]
    reasons = reasons or [*setting_problems(strategy, cluster, scheme, setting, slowdowns)]
    if reasons:
        raise StrategyError(reasons)
    step = step_cost(workload, strategy, price(workload, cluster, stack=stack))
    if shortfalls := tuple(memory_shortfalls(step, cluster.device)):
        raise ShortfallError(shortfalls)
    devices = strategy.devices // strategy.dp
    times, wiring = step_times(step), find_wiring(step, devices)
    run = _Runs(step, times, wiring, slowdowns, devices)
    outcome = run.train(scheme, setting, recorded)
    plain = SCHEMES["synchronous"]
    alone = replace(setting, workers=setting.needed, servers=0, bound=0, period=1)
    synchronous = outcome if scheme is plain else run.train(plain, alone, 0)
    expected = None
    if scheme.name in {"synchronous", "backup-workers"}:
        expected = run.expected_step(setting.needed, setting.workers)
    return Comparison(
        outcome=outcome,
        ordinary=times.together(1.0),
        synchronous=synchronous,
        expected=expected,
        expected_synchronous=run.expected_step(setting.needed, setting.needed),
        warnings=tuple(step.warnings),
    )


def setting_problems(
    strategy: Strategy, cluster: Cluster, scheme: Scheme, setting: Setting, slowdowns: Sequence[Slowdown]
) -> Iterator[str]:
    """Reasons why a scheme cannot run as set, one sentence each."""
    devices = strategy.devices // strategy.dp
    if cluster.more:
        yield f"cluster: found {cluster.name}; expected nodes of one type (--slowdown has nodes=0-3)"
    if setting.workers * devices > cluster.devices:
        yield (
            f"workers: found {setting.workers} of {devices} devices; expected at most "
            f"{cluster.devices // devices} on {cluster.name}"
        )
    for name, least in (("workers", 2), ("steps", 1), ("bound", 0), ("period", 1), ("servers", 0)):
        if getattr(setting, name) < least:
            yield f"{name}: found {getattr(setting, name)}; expected at least {least}"
    yield from _scheme_problems(strategy, cluster, scheme, setting)
    work = setting.workers * setting.steps * max(1, setting.servers)
    if work > EVENTS:
        yield f"workers x steps x servers: found {work:,}; expected at most {EVENTS:,}"
    for each in slowdowns:
        last = each.first if each.last is None else each.last
        if last >= cluster.count:
            yield f"slow-down {each.text!r}: found node {last}; expected 0 to {cluster.count - 1}"


def _scheme_problems(strategy: Strategy, cluster: Cluster, scheme: Scheme, setting: Setting) -> Iterator[str]:
    """What the scheme itself refuses."""
    if scheme.servers and setting.servers < 1:
        yield f"servers: found {setting.servers}; scheme {scheme.name} expects at least 1"
    if not scheme.servers and setting.servers:
        yield f"servers: found {setting.servers}; scheme {scheme.name} has none"
    if scheme.one_node and cluster.count > 1:
        yield f"cluster: found {cluster.count} nodes; scheme {scheme.name} expects 1"
    if scheme.own_copies and strategy.ep > 1:
        yield f"ep: found {strategy.ep}; scheme {scheme.name} expects 1: every worker has its parameters"
    if scheme.own_copies and strategy.zero:
        yield f"zero: found {strategy.zero}; scheme {scheme.name} expects 0: every worker has its parameters"


class _Runs:
    """Trainings of one priced step."""

    def __init__(
        self,
        step: StepCost,
        times: StepTimes,
        wiring: Wiring,
        slowdowns: Sequence[Slowdown],
        worker_devices: int,
    ) -> None:
        self._step = step
        self._times = times
        self._wiring = wiring
        self._slowdowns = tuple(slowdowns)
        self._devices = worker_devices

    def train(self, scheme: Scheme, setting: Setting, recorded: int) -> Outcome:
        """Run one training."""
        draws = Draws(
            self._slowdowns,
            devices=self._devices,
            node_devices=self._step.pricing.cluster.node.devices,
            seed=setting.seed,
        )
        training = Training(setting, self._times, self._wiring, draws, recorded=min(recorded, RECORDED))
        scheme.start(training)
        training.run()
        return self._outcome(scheme, setting, training)

    def _outcome(self, scheme: Scheme, setting: Setting, training: Training) -> Outcome:
        steps = training.used / setting.needed
        seconds = training.end
        samples = self._step.workload.global_batch / setting.needed
        links = station_uses(training.stations(), seconds=seconds, steps=steps)
        if scheme.collective:
            links = tuple(collective_uses(self._step))
        if scheme.averages:
            links = tuple(average_uses(self._step, setting.period))
        servers = training.servers
        waited = training.waited if training.waited > ROUNDING * seconds * setting.workers else 0.0
        busy = [] if servers is None else [*servers.inward, *servers.memory, *servers.outward]
        return Outcome(
            scheme=scheme.name,
            workers=setting.workers,
            needed=setting.needed,
            servers=setting.servers,
            steps=steps,
            duration=seconds,
            step_time=seconds / steps,
            samples_per_s=training.used * samples / seconds,
            updates_per_s=training.used / seconds,
            staleness_mean=training.stale / max(1, training.judged),
            staleness_max=training.stalest,
            staleness_unit=scheme.staleness,
            waiting=waited / training.used,
            waiting_share=min(1.0, waited / (seconds * setting.workers)),
            server_load=min(1.0, max((each.busy for each in busy), default=0.0) / seconds),
            dropped=training.dropped / (training.dropped + training.used),
            links=links,
            spans=tuple(training.spans),
        )

    def expected_step(self, k: int, n: int) -> float | None:
        """[s] of a step that waits for the k-th of n workers, where all draw alike in every step."""
        if not self._slowdowns:
            return self._times.together(1.0)
        if len(self._slowdowns) > 1 or not self._slowdowns[0].everywhere:
            return None
        slow, devices = self._slowdowns[0], self._devices
        return expected_order_statistic(
            lambda u: self._times.together(slow.quantile(u ** (1.0 / devices))), k, n
        )
