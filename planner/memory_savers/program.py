"""The integer programme of one pipeline rank: how many blocks of each run take each option.

    n[r, c]   items of run r that take option c;  sum over c of blocks(c) n[r, c] = blocks of r
    o[r], p[r]   blocks whose optimizer state, and whose parameters, lie in host memory;  p <= o

A microbatch runs through the runs forward and back. Compute, stores and fetches are chains that wait for
each other as the simulator's lanes do: a store follows its block, a fetch precedes it, two items have room,
and the first fetch comes after the last store. Times are the makespans of these chains:

    minimise  microbatches x (forward and backward) + update
    subject to, for every moment that may be the peak,
        live x kept + brief + state left on the device + fixed <= room

Bytes count as in the simulator's ledger, or a little more where that takes the nearest of several; the caller
tightens ``room`` by what the ledger says beyond it.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate, chain
from math import inf, isfinite

from planner.memory_savers.freed import Freed, chained, freed_behind, freed_within
from planner.memory_savers.options import RankProblem
from planner.memory_savers.rank_choice import RankChoice
from planner.memory_savers.terms import at_least, at_most, total
from planner.solver.ilp import Constraint, Program, Solution, Terms, Variable

GB = 1e9
MS = 1e-3
ROOM = "room on rank"
WAITS = ("store behind", "pass of", "pass behind")
"""Times that a run which copies waits for: of the last one before it that does, and of the last but one."""


GAP = 1e-4
"""Relative distance from the optimum that counts as none."""


class Builder:
    """Makes the programme; bytes in GB and seconds in ms, so that numbers are of the order of one."""

    def __init__(self, problem: RankProblem, most: float, *, floor: bool = False) -> None:
        """``most`` [s] is of a step that is known to be possible, inf for none.

        Args:
            problem: of the rank.
            most: [s].
            floor: less cannot be held.
        """
        self._floor = floor
        self._problem, self._runs = problem, problem.runs
        self._rate = problem.rate or inf
        self._limit = most * (1 + GAP) / MS
        self._most = min(self._longest(), self._limit / problem.microbatches)
        self._ahead = (0.0, *accumulate(run.count * run.forward / MS for run in problem.runs))
        self._behind = (0.0, *accumulate(run.count * run.backward / MS for run in problem.runs))

    def _used(self, r: int, c: int) -> str:
        """The variable that says whether any item takes an option; its count where there is one at most."""
        run = self._runs[r]
        single = run.count // run.options[c].blocks == 1 and c not in chain.from_iterable(chained(run))
        return _count(r, c) if single else f"used {r} {c}"

    def _any(self, what: str, r: int) -> str:
        """The variable that says whether any block of a run has its state in host memory."""
        return f"{what} {r}" if self._runs[r].count == 1 else f"any {what} {r}"

    def _longest(self) -> float:
        """[ms] that no chain exceeds."""
        total = 0.0
        for run in self._runs:
            sizes = [option.offloaded for option in run.options]
            again = max(option.again / option.blocks for option in run.options)
            total += run.count * (run.forward + run.backward + again + 4 * self._copy(max(sizes)))
            if run.state is not None:
                total += 4 * run.count * self._copy(run.state.fetched + run.state.gradient)
        return total / MS

    def _copy(self, nbytes: float) -> float:
        """[s] of one copy."""
        return self._problem.latency + nbytes / self._rate if nbytes else 0.0

    def program(self, room: float, *, least_memory: bool) -> Program:
        """The programme."""
        times = () if least_memory else (self._forward(), self._backward(), self._lanes(), self._update())
        constraints = [
            *self._assignment(),
            *chain(*times),
            *self._brief(),
            *self._memory(room, bounded=not least_memory),
        ]
        goal: Terms = {"microbatch": float(self._problem.microbatches), "update": 1.0}
        if isfinite(self._limit):
            constraints.append(at_most("known step", goal, self._limit))
        used = {name for constraint in constraints for name in constraint.terms}
        return Program(
            name=f"memory savers of rank {self._problem.rank}",
            objective={"bytes": 1.0} if least_memory else goal,
            variables=tuple(variable for variable in self._variables() if variable.name in used),
            constraints=tuple(constraints),
        )

    def _variables(self) -> Iterator[Variable]:
        for name in ("microbatch", "update", "brief", "buffers", "bytes", "stored"):
            yield Variable(name=name)
        for r, run in enumerate(self._runs):
            for name in ("computed", "sent", "fetched", "returned", "size", "brief", *WAITS):
                yield Variable(name=f"{name} {r}")
            yield Variable(name=f"copies {r}", high=1, integer=True)
            for c, option in enumerate(run.options):
                yield Variable(name=_count(r, c), high=run.count // option.blocks, integer=True)
                if self._used(r, c) != _count(r, c):
                    yield Variable(name=self._used(r, c), high=1, integer=True)
            for what in ("optimizer", "parameters"):
                yield Variable(name=f"{what} {r}", high=run.count if run.state else 0, integer=True)
                if self._any(what, r) != f"{what} {r}":
                    yield Variable(name=self._any(what, r), high=1, integer=True)

    def _assignment(self) -> Iterator[Constraint]:
        for r, run in enumerate(self._runs):
            terms = {_count(r, c): float(option.blocks) for c, option in enumerate(run.options)}
            yield Constraint(name=f"blocks {r}", terms=terms, limit=run.count, equal=True)
            for c, option in enumerate(run.options):
                most = float(run.count // option.blocks)
                if self._used(r, c) != _count(r, c):
                    yield at_most(f"used {r} {c}", {_count(r, c): 1.0, self._used(r, c): -most})
                if option.offloaded:
                    yield at_most(f"copies {r} {c}", {self._used(r, c): 1.0, f"copies {r}": -1.0})
                    size = max(option.copies) / GB
                    yield at_most(f"size {r} {c}", {self._used(r, c): size, f"size {r}": -1.0})
            for one, other in chained(run):
                yield at_most(f"chain {r} {other}", {self._used(r, other): 1.0, self._used(r, one): -1.0})
            yield at_most(f"fewer parameters {r}", {f"parameters {r}": 1.0, f"optimizer {r}": -1.0})
            for what in ("optimizer", "parameters"):
                if run.count > 1:
                    any_of = {f"{what} {r}": 1.0, self._any(what, r): -float(run.count)}
                    yield at_most(f"any {what} {r}", any_of)
            yield at_most(f"fetches {r}", {self._any("parameters", r): 1.0, f"copies {r}": -1.0})
            if not self._problem.parameters:
                yield at_most(f"no parameters {r}", {f"parameters {r}": 1.0})

    def _stores(self, r: int) -> Terms:
        """[ms] of copies of activations of a run, one way."""
        return {
            _count(r, c): sum(map(self._copy, option.copies)) / MS
            for c, option in enumerate(self._runs[r].options)
            if option.offloaded
        }

    def _single(self, r: int) -> list[float]:
        """[ms] of every single copy of activations of a run that there may be."""
        return [self._copy(each) / MS for option in self._runs[r].options for each in option.copies]

    def _fetches(self, r: int) -> Terms:
        """[ms] of copies of parameters of a run for one pass."""
        state = self._runs[r].state
        return {f"parameters {r}": self._copy(state.fetched) / MS} if state else {}

    def _gradients(self, r: int) -> Terms:
        state = self._runs[r].state
        return {f"optimizer {r}": self._copy(state.gradient) / MS} if state else {}

    def _again(self, r: int) -> Terms:
        """[ms] of what a run computes again."""
        return {_count(r, c): o.again / MS for c, o in enumerate(self._runs[r].options) if o.again}

    def _forward(self) -> Iterator[Constraint]:
        """Compute, store and fetch chains of the forward pass."""
        for r, run in enumerate(self._runs):
            whole, one = run.count * run.forward / MS, run.forward / MS
            before: Terms = {f"computed {r - 1}": 1.0} if r else {}
            yield at_least(f"computed {r}", {f"computed {r}": 1.0}, before, whole)
            yield at_least(f"fetch before {r}", {f"computed {r}": 1.0}, self._all_fetches(r + 1), one)
            sent: Terms = {f"sent {r - 1}": 1.0} if r else {}
            yield at_least(f"sent {r}", {f"sent {r}": 1.0}, total(sent, self._stores(r)), 0.0)
            yield at_least(f"sent after {r}", {f"sent {r}": 1.0}, total(before, self._stores(r)), one)
            if run.count > 1:
                longest = 2 * max(self._single(r), default=0.0)
                waits = {f"sent {r}": 1.0}
                loose = self._most + one - longest - self._ahead[r + 1]
                yield _if_copies(r, f"room in {r}", f"computed {r}", waits, one - longest, loose=loose)
        last = len(self._runs) - 1
        yield at_least("stored", {"stored": 1.0}, {f"computed {last}": 1.0}, 0.0)
        yield at_least("stored all", {"stored": 1.0}, {f"sent {last}": 1.0}, 0.0)
        yield from self._room_forward()

    def _room_forward(self) -> Iterator[Constraint]:
        """Two items have room: a run that copies waits for the store of the last but one that does.

        ``sent`` of any run is that of the last one up to it that copies, or what computation takes anyway.
        """
        if not self._problem.rate:
            return
        for r in range(1, len(self._runs)):
            behind, one = f"store behind {r}", self._runs[r].forward / MS
            if r > 1:
                loose = self._most + one - self._ahead[r + 1]
                waits = {f"store behind {r - 1}": 1.0}
                yield _if_copies(r, f"room before {r}", f"computed {r}", waits, one, loose=loose)
                yield at_least(f"{behind} or before", {behind: 1.0}, waits, 0.0)
            loose = self._most - self._ahead[r + 1]
            yield _if_copies(r, behind, behind, {f"sent {r - 1}": 1.0}, 0.0, loose=loose)

    def _all_fetches(self, until: int) -> Terms:
        return total(*(self._fetches(r) for r in range(until)))

    def _backward(self) -> Iterator[Constraint]:
        """Compute and fetch chains of the backward pass; the last run comes first."""
        last = len(self._runs) - 1
        for r in range(last, -1, -1):
            run = self._runs[r]
            whole, one = run.count * run.backward / MS, run.backward / MS
            before: Terms = {f"returned {r + 1}": 1.0} if r < last else {f"computed {last}": 1.0}
            yield at_least(f"returned {r}", {f"returned {r}": 1.0}, total(before, self._again(r)), whole)
            arrived: Terms = {f"fetched {r + 1}": 1.0} if r < last else {"stored": 1.0}
            copies = total(self._stores(r), self._fetches(r))
            yield at_least(f"fetched {r}", {f"fetched {r}": 1.0}, total(arrived, copies), 0.0)
            loose = self._most + one - self._ahead[-1] - (self._behind[-1] - self._behind[r])
            yield _if_copies(r, f"fetch for {r}", f"returned {r}", {f"fetched {r}": 1.0}, one, loose=loose)
            if run.count > 1:
                longest = 2 * max((*self._single(r), *self._fetches(r).values()), default=0.0)
                loose = self._most - self._behind[r + 1] - longest - self._ahead[-1]
                waits = total(before, copies)
                yield _if_copies(r, f"fetch in {r}", f"fetched {r}", waits, -longest, loose=loose)
        yield from self._room_backward()
        # Whatever copies, the last fetch has come when the pass ends; where nothing does, both end together.
        yield at_least("fetched all", {"returned 0": 1.0}, {"fetched 0": 1.0}, 0.0)
        yield at_least("microbatch", {"microbatch": 1.0}, {"returned 0": 1.0}, 0.0)

    def _room_backward(self) -> Iterator[Constraint]:
        """Two items have room: a fetch waits for the backward pass of the last run but one that copied."""
        last = len(self._runs) - 1
        if not self._problem.rate:
            return
        for r in range(last, -1, -1):
            own, behind = f"pass of {r}", f"pass behind {r}"
            loose = self._most - self._behind[r]
            if r < last - 1:
                one, waits = min(self._single(r), default=0.0), {f"pass behind {r + 1}": 1.0}
                least = self._most - self._behind[r + 2] + one - self._ahead[-1]
                yield _if_copies(r, f"back to {r}", f"fetched {r}", waits, one, loose=least)
                yield at_least(f"{behind} or before", {behind: 1.0}, waits, 0.0)
            if r < last:
                yield at_least(f"{own} or before", {own: 1.0}, {f"pass of {r + 1}": 1.0}, 0.0)
                yield _if_copies(r, behind, behind, {f"pass of {r + 1}": 1.0}, 0.0, loose=loose)
            yield _if_copies(r, own, own, {f"returned {r}": 1.0}, 0.0, loose=loose)

    def _lanes(self) -> Iterator[Constraint]:
        """No microbatch is shorter than what its copies take in either direction, or its sums on the host."""
        runs = range(len(self._runs))
        stores = total(*(self._stores(r) for r in runs))
        fetches = total(*(self._fetches(r) for r in runs))
        gradients = total(*(self._gradients(r) for r in runs)) if self._problem.streams else {}
        yield at_least("to host", {"microbatch": 1.0}, total(stores, gradients), 0.0)
        yield at_least("from host", {"microbatch": 1.0}, total(stores, fetches, fetches), 0.0)
        if self._problem.streams and self._problem.microbatches > 1:
            summed = {
                f"optimizer {r}": run.state.summed / MS for r, run in enumerate(self._runs) if run.state
            }
            yield at_least("sums", {"microbatch": 1.0}, summed, 0.0)

    def _update(self) -> Iterator[Constraint]:
        """The device updates its part, then the host its own, while new parameters go back."""
        states = [(r, run, run.state) for r, run in enumerate(self._runs) if run.state is not None]
        device = sum(run.count * state.on_device for _, run, state in states) / MS
        less = {f"optimizer {r}": -state.on_device / MS for r, _, state in states}
        late = {} if self._problem.streams else total(*(self._gradients(r) for r, *_ in states))
        host = {f"optimizer {r}": state.on_host / MS for r, _, state in states}
        back: Terms = {}
        for r, _, state in states:
            one = self._copy(state.returned) / MS
            back = total(back, {f"optimizer {r}": one, f"parameters {r}": -one})
        for name, work in (("host", host), ("back", back)):
            yield at_least(f"update {name}", {"update": 1.0}, total(less, late, work), device)

    def _brief(self) -> Iterator[Constraint]:
        """What is needed briefly: of an item, and the two nearest that lie in host memory at or before it."""
        copies = (max(o.copies, default=0.0) for run in self._runs for o in run.options)
        most = 2 * max(copies, default=0.0) / GB
        for r, run in enumerate(self._runs):
            for c in range(len(run.options)):
                own = self._transient(r, c)
                yield at_least(
                    f"brief {r} {c}",
                    {f"brief {r}": 1.0},
                    total(own, _less(freed_within(self._problem, r, c, floor=self._floor))),
                    0.0,
                )
            need = total({f"brief {r}": 1.0}, _less(freed_behind(self._problem, r)))
            if not self._problem.rate:
                yield at_least(f"brief {r}", {"brief": 1.0}, need, 0.0)
                continue
            for name, near in self._near(r, most):
                yield at_least(name, {"brief": 1.0}, total(need, near), 0.0)

    def _transient(self, r: int, c: int) -> Terms:
        """[GB] of an option that is used, in steps along those that are said to be used with it."""
        options, before = self._runs[r].options, {other: one for one, other in chained(self._runs[r])}
        terms, at = {}, c
        while at in before:
            terms[self._used(r, at)] = (options[at].transient - options[before[at]].transient) / GB
            at = before[at]
        return {**terms, self._used(r, at): options[at].transient / GB}

    def _near(self, r: int, most: float) -> Iterator[tuple[str, Terms]]:
        """[GB] of the two nearest items at or before run r that may be the largest; ``most`` [GB] of them."""
        yield f"near {r}", {f"size {r}": 2.0 if self._runs[r].count > 1 else 1.0}
        kept = {f"copies {r}": -most}
        for q in range(r):
            yield f"near {r} {q}", {f"size {r}": 1.0, f"size {q}": 1.0}
            if self._runs[q].count > 1:
                yield f"near {r} {q} {q}", total({f"size {q}": 2.0}, kept)

    def _memory(self, room: float, *, bounded: bool) -> Iterator[Constraint]:
        problem = self._problem
        for number, live in enumerate(problem.moments):
            terms: Terms = {"brief": 1.0, "buffers": 1.0}
            for r, run in enumerate(self._runs):
                kept = {_count(r, c): live[run.stage] * o.saved / GB for c, o in enumerate(run.options)}
                terms = total(terms, kept)
                if run.state is not None:
                    state = {
                        f"optimizer {r}": -run.state.optimizer / GB,
                        f"parameters {r}": -run.state.parameters / GB,
                    }
                    terms = total(terms, state)
            need = f"bytes at {number}"
            yield at_most(need, total(terms, {"bytes": -1.0}), -problem.fixed / GB)
            yield from self._on_host(number, live)
        if bounded:
            yield Constraint(
                name=f"{ROOM} {problem.rank}", terms={"bytes": 1.0}, limit=room / GB, elastic=True
            )
        for r, run in enumerate(self._runs):
            if run.state is None:
                continue
            sizes = {self._any("parameters", r): 2 * run.state.fetched / GB}
            if problem.streams:
                sizes[self._any("optimizer", r)] = 2 * run.state.gradient / GB
            yield at_least(f"buffers {r}", {"buffers": 1.0}, sizes, 0.0)
            for c, option in enumerate(run.options):
                if option.blocks > 1:  # the blocks of an item come together
                    item = {name: option.blocks * size for name, size in sizes.items()}
                    whole = sum(item.values())
                    both = total(item, {self._used(r, c): whole})
                    yield at_least(f"buffers {r} {c}", {"buffers": 1.0}, both, -whole)

    def _on_host(self, number: int, live: Mapping[int, int]) -> Iterator[Constraint]:
        """What lies in host memory has room there."""
        if not self._problem.rate:
            return
        terms: Terms = {}
        for r, run in enumerate(self._runs):
            sizes = {
                _count(r, c): live[run.stage] * o.offloaded / GB
                for c, o in enumerate(run.options)
                if o.offloaded
            }
            terms = total(terms, sizes)
            if run.state is not None:
                held = {f"optimizer {r}": run.state.held / GB, f"parameters {r}": run.state.fetched / GB}
                terms = total(terms, held)
        yield Constraint(
            name=f"host memory of rank {self._problem.rank}, moment {number}",
            terms=terms,
            limit=self._problem.host_room / GB,
            elastic=True,
        )

    def choice(self, solution: Solution) -> RankChoice:
        """What a solution means."""
        values = solution.values
        runs = range(len(self._runs))
        timed = "microbatch" in values
        step = values["microbatch"] * self._problem.microbatches + values["update"] if timed else inf
        return RankChoice(
            counts=tuple(
                tuple(round(values[_count(r, c)]) for c in range(len(self._runs[r].options))) for r in runs
            ),
            optimizer=tuple(round(values.get(f"optimizer {r}", 0.0)) for r in runs),
            parameters=tuple(round(values.get(f"parameters {r}", 0.0)) for r in runs),
            seconds=step * MS,
            nbytes=values["bytes"] * GB,
            optimal=solution.optimal,
        )


def _count(r: int, c: int) -> str:
    return f"items {r} {c}"


def _less(freed: Iterable[Freed]) -> Terms:
    """[GB] less, because these are gone."""
    return {_count(r, c): -nbytes / GB for r, c, nbytes in freed}


def _if_copies(r: int, name: str, variable: str, least: Terms, limit: float, *, loose: float) -> Constraint:
    """Variable >= least + limit where run r copies; ``loose`` is the most that it may lack else."""
    free = max(0.0, loose)
    return at_least(name, {variable: 1.0}, total(least, {f"copies {r}": free}), limit - free)
