"""Closed forms of collectives against a step-by-step evaluation of who sends what to whom.

The evaluator plays rounds of simultaneous messages: a round lasts as long as its longest message. It knows
nothing of formulas, and it checks that every rank ends up with what the operation promises.
"""

from dataclasses import dataclass, field

import pytest

from simdl.communication import (
    all_to_all,
    broadcast,
    butterfly,
    hierarchical,
    in_switch,
    parameter_server,
    rabenseifner,
    recursive,
    ring,
    tree,
)
from simdl.communication.terms import estimate_time
from simdl.errors import CollectiveError

pytestmark = pytest.mark.theory

N, ALPHA, BETA, GAMMA = 1e6, 3e-6, 1e-10, 2e-11
COSTS = {"n": N, "alpha": ALPHA, "beta": BETA, "gamma": GAMMA}
MOVES = {"n": N, "alpha": ALPHA, "beta": BETA}


@dataclass
class Machine:
    """Buffers as sets of contributors per block, and the clock."""

    p: int
    blocks: int
    time: float = 0.0
    held: list[list[frozenset[int]]] = field(init=False)

    def __post_init__(self):
        self.held = [[frozenset([rank])] * self.blocks for rank in range(self.p)]

    def clear(self, *, keep):
        """Every rank forgets the blocks that ``keep(rank)`` does not name."""
        for rank in range(self.p):
            self.held[rank] = [b if i in keep(rank) else frozenset() for i, b in enumerate(self.held[rank])]

    def play(self, messages, *, reduce):
        """One round: (source, target, blocks) at the same time."""
        before = [list(row) for row in self.held]
        longest = 0.0
        for source, target, blocks in messages:
            nbytes = N * len(blocks) / self.blocks
            longest = max(longest, ALPHA + nbytes * (BETA + (GAMMA if reduce else 0.0)))
            for block in blocks:
                new = before[source][block]
                if reduce:
                    assert not new & self.held[target][block], "counted twice"
                    new = new | self.held[target][block]
                self.held[target][block] = new
        self.time += longest

    def everyone_has_all(self):
        complete = frozenset(range(self.p))
        return all(block == complete for row in self.held for block in row)


def play_ring(p, *, gather=True, scatter=True):
    machine = Machine(p, p)
    if scatter:
        for step in range(p - 1):
            machine.play([(r, (r + 1) % p, [(r - step) % p]) for r in range(p)], reduce=True)
        assert all(len(machine.held[r][(r + 1) % p]) == p for r in range(p))
    if gather:
        for step in range(p - 1):
            machine.play([(r, (r + 1) % p, [(r + 1 - step) % p]) for r in range(p)], reduce=False)
    return machine


@pytest.mark.parametrize("p", [2, 3, 7, 8])
def test_ring_all_reduce_is_its_schedule(p):
    machine = play_ring(p)
    assert machine.everyone_has_all()
    assert ring.estimate_all_reduce(p, **COSTS) == pytest.approx(machine.time, rel=1e-9)


@pytest.mark.parametrize("p", [2, 5, 8])
def test_ring_halves_are_their_schedules(p):
    assert ring.estimate_reduce_scatter(p, **COSTS) == pytest.approx(
        play_ring(p, gather=False).time, rel=1e-9
    )
    assert ring.estimate_all_gather(p, **MOVES) == pytest.approx(play_ring(p, scatter=False).time, rel=1e-9)


def play_butterfly(p):
    q = 1 << (p.bit_length() - 1)
    machine = Machine(p, 1)
    if p > q:
        machine.play([(r, r - q, [0]) for r in range(q, p)], reduce=True)
    distance = 1
    while distance < q:
        machine.play([(r, r ^ distance, [0]) for r in range(q)], reduce=True)
        distance *= 2
    if p > q:
        machine.play([(r - q, r, [0]) for r in range(q, p)], reduce=False)
    return machine


@pytest.mark.parametrize("p", [2, 4, 6, 7, 16])
def test_butterfly_is_its_schedule(p):
    machine = play_butterfly(p)
    assert machine.everyone_has_all()
    assert butterfly.estimate_all_reduce(p, **COSTS) == pytest.approx(machine.time, rel=1e-9)


def _range_of(rank, q, distance):
    """Blocks a rank answers for after the halvings that are longer than ``distance``."""
    low, size = 0, q
    step = q // 2
    while step >= distance:
        size //= 2
        low += size if rank & step else 0
        step //= 2
    return range(low, low + size)


def play_halving_doubling(p, *, gather=True):
    q = 1 << (p.bit_length() - 1)
    machine = Machine(p, 2 * q)
    fold = [list(range(q)), list(range(q, 2 * q))]
    if p > q:
        pairs = [(r, r - q) for r in range(q, p)]
        swap = [(a, b, fold[0]) for a, b in pairs] + [(b, a, fold[1]) for a, b in pairs]
        machine.play(swap, reduce=True)
        machine.play([(a, b, fold[1]) for a, b in pairs], reduce=False)

    def pieces(rank, distance):
        return [half for block in _range_of(rank, q, distance) for half in (2 * block, 2 * block + 1)]

    distance = q // 2
    while distance:
        machine.play([(r, r ^ distance, pieces(r ^ distance, distance)) for r in range(q)], reduce=True)
        distance //= 2
    distance = 1
    while gather and distance < q:
        machine.play([(r, r ^ distance, pieces(r, distance)) for r in range(q)], reduce=False)
        distance *= 2
    if gather and p > q:
        machine.play([(r - q, r, list(range(2 * q))) for r in range(q, p)], reduce=False)
    return machine


@pytest.mark.parametrize("p", [2, 4, 5, 7, 8, 12])
def test_rabenseifner_is_its_schedule(p):
    machine = play_halving_doubling(p)
    assert machine.everyone_has_all()
    assert rabenseifner.estimate_all_reduce(p, **COSTS) == pytest.approx(machine.time, rel=1e-9)


@pytest.mark.parametrize("p", [2, 4, 16])
def test_recursive_reduce_scatter_is_its_schedule(p):
    machine = play_halving_doubling(p, gather=False)
    assert recursive.estimate_reduce_scatter(p, **COSTS) == pytest.approx(machine.time, rel=1e-9)
    assert recursive.estimate_all_gather(p, **MOVES) == pytest.approx(
        play_halving_doubling(p).time - machine.time, rel=1e-9
    )


def test_recursive_refuses_other_than_powers_of_two():
    with pytest.raises(CollectiveError, match=r"6 ranks.*power of two.*ring"):
        recursive.estimate_all_gather(6, **MOVES)


def play_binomial(p):
    machine = Machine(p, 1)
    distances = [1 << k for k in range((p - 1).bit_length())]
    for d in distances:
        machine.play([(r, r - d, [0]) for r in range(p) if r % (2 * d) == d], reduce=True)
    reduced = machine.time
    for d in reversed(distances):
        machine.play([(r, r + d, [0]) for r in range(0, p - d, 2 * d)], reduce=False)
    return machine, machine.time - reduced


@pytest.mark.parametrize("p", [2, 5, 8, 13])
def test_tree_is_its_schedule(p):
    machine, broadcast_time = play_binomial(p)
    assert machine.everyone_has_all()
    assert tree.estimate_all_reduce(p, **COSTS) == pytest.approx(machine.time, rel=1e-9)
    assert broadcast.estimate_tree(p, **MOVES) == pytest.approx(broadcast_time, rel=1e-9)


@pytest.mark.parametrize("p", [2, 3, 9])
def test_parameter_server_is_its_schedule(p):
    machine = Machine(p, 1)
    for worker in range(1, p):
        machine.play([(worker, 0, [0])], reduce=True)
    for worker in range(1, p):
        machine.play([(0, worker, [0])], reduce=False)
    assert machine.everyone_has_all()
    assert parameter_server.estimate_all_reduce(p, **COSTS) == pytest.approx(machine.time, rel=1e-9)


def test_sharded_parameter_server_moves_as_much_as_a_ring():
    p = 8
    free = {**COSTS, "alpha": 0.0}
    assert parameter_server.estimate_all_reduce(p, servers=p, **free) == pytest.approx(
        ring.estimate_all_reduce(p, **free), rel=1e-12
    )


@pytest.mark.parametrize("p", [2, 6, 8])
def test_pairwise_all_to_all_is_its_schedule(p):
    machine = Machine(p, p)
    for shift in range(1, p):
        machine.play([(r, (r + shift) % p, [(r + shift) % p]) for r in range(p)], reduce=False)
    assert all_to_all.estimate_all_to_all(p, **MOVES) == pytest.approx(machine.time, rel=1e-9)


@pytest.mark.parametrize("p", [2, 4, 8])
def test_scatter_all_gather_is_its_schedule(p):
    machine = Machine(p, p)
    for k in reversed(range((p - 1).bit_length())):
        d = 1 << k
        machine.play([(r, r + d, list(range(r + d, r + 2 * d))) for r in range(0, p, 2 * d)], reduce=False)
    for step in range(p - 1):
        machine.play([(r, (r + 1) % p, [(r - step) % p]) for r in range(p)], reduce=False)
    assert all(block == frozenset([0]) for row in machine.held for block in row)
    assert broadcast.estimate_scatter_all_gather(p, **MOVES) == pytest.approx(machine.time, rel=1e-9)


def test_hierarchical_is_a_ring_per_level():
    inner = ring.estimate_all_reduce(8, **COSTS)
    outer = ring.estimate_all_reduce(4, n=N / 8, alpha=5e-6, beta=1e-9, gamma=GAMMA)
    found = hierarchical.estimate_all_reduce((8, 4), n=N, alpha=(ALPHA, 5e-6), beta=(BETA, 1e-9), gamma=GAMMA)
    assert found == pytest.approx(inner + outer, rel=1e-9)


def test_in_switch_traffic_by_counting_messages():
    p = 8
    sent = [0.0] * p
    for owner in range(p):
        for rank in range(p):
            sent[rank] += N / p  # the switch pulls each rank's part of the owner's share
        sent[owner] += N / p  # the owner stores the sum for multicast
    expected = 2 * ALPHA + max(sent) * BETA
    assert in_switch.estimate_all_reduce(p, **MOVES) == pytest.approx(expected, rel=1e-9)


ONE_LEVEL = [
    (ring.all_reduce, lambda p: ring.estimate_all_reduce(p, **COSTS)),
    (ring.reduce_scatter, lambda p: ring.estimate_reduce_scatter(p, **COSTS)),
    (ring.all_gather, lambda p: ring.estimate_all_gather(p, **MOVES)),
    (butterfly.all_reduce, lambda p: butterfly.estimate_all_reduce(p, **COSTS)),
    (rabenseifner.all_reduce, lambda p: rabenseifner.estimate_all_reduce(p, **COSTS)),
    (tree.all_reduce, lambda p: tree.estimate_all_reduce(p, **COSTS)),
    (parameter_server.all_reduce, lambda p: parameter_server.estimate_all_reduce(p, **COSTS)),
    (in_switch.all_reduce, lambda p: in_switch.estimate_all_reduce(p, **MOVES)),
    (all_to_all.all_to_all, lambda p: all_to_all.estimate_all_to_all(p, **MOVES)),
    (broadcast.tree, lambda p: broadcast.estimate_tree(p, **MOVES)),
    (broadcast.scatter_all_gather, lambda p: broadcast.estimate_scatter_all_gather(p, **MOVES)),
    (hierarchical.all_reduce, lambda p: ring.estimate_all_reduce(p, **COSTS)),
    (hierarchical.reduce_scatter, lambda p: ring.estimate_reduce_scatter(p, **COSTS)),
    (hierarchical.all_gather, lambda p: ring.estimate_all_gather(p, **MOVES)),
]


@pytest.mark.parametrize(("terms", "closed_form"), ONE_LEVEL)
@pytest.mark.parametrize("p", [2, 3, 8, 11])
def test_terms_on_one_level_are_the_closed_form(terms, closed_form, p):
    (found,) = terms((p,))
    assert estimate_time(found, **COSTS) == pytest.approx(closed_form(p), rel=1e-9)


@pytest.mark.parametrize("p", [2, 8, 32])
def test_recursive_terms_are_the_closed_form(p):
    (scatter,) = recursive.reduce_scatter((p,))
    (gather,) = recursive.all_gather((p,))
    assert estimate_time(scatter, **COSTS) == pytest.approx(
        recursive.estimate_reduce_scatter(p, **COSTS), rel=1e-9
    )
    assert estimate_time(gather, **COSTS) == pytest.approx(
        recursive.estimate_all_gather(p, **MOVES), rel=1e-9
    )


@pytest.mark.parametrize("p", [2, 4, 7])
def test_a_sum_that_is_broadcast_takes_two_chains(p):
    moved = {"n": 1e9, "alpha": 0.0, "beta": 1e-9, "segments": 10**6}
    one = broadcast.estimate_chain(p, **moved)
    assert broadcast.estimate_reduce_broadcast(p, **moved, gamma=0.0) == pytest.approx(2 * one)
    assert 2 * one == pytest.approx(2 * 1e9 * 1e-9, rel=1e-3)
    (found,) = broadcast.reduce_broadcast((p,))
    assert (found.steps, found.sent, found.reduced) == (2 * (p - 1), 2.0, 1.0)
    assert broadcast.reduce_broadcast((1, p))[1] == found


@pytest.mark.parametrize(("p", "pieces"), [(4, 1000), (7, 2000)])
def test_pipelined_chain_is_the_limit_of_many_pieces(p, pieces):
    """Without alpha, k pieces take (k + p - 2)/k n beta: the terms' n beta plus a fill that vanishes."""
    (found,) = broadcast.chain((p,))
    arrival = [0.0] * p
    for _ in range(pieces):
        for rank in range(1, p):
            arrival[rank] = max(arrival[rank], arrival[rank - 1]) + N / pieces * BETA
        arrival[0] += N / pieces * BETA
    free = estimate_time(found, n=N, alpha=0.0, beta=BETA)
    assert free <= arrival[-1] <= free * (1 + p / pieces)
    assert found.steps == p - 1


def test_ring_over_nodes_leaves_each_node_once():
    inner, outer = ring.all_reduce((8, 4))
    assert (inner.steps, outer.steps) == (2 * 28, 2 * 3)
    assert inner.sent == pytest.approx(2 * 31 / 32)
    assert outer.sent * 8 == pytest.approx(2 * 31 / 32)


@pytest.mark.parametrize("members", [(4,), (4, 1), (1, 4), (2, 2), (1, 2, 2), (2, 1, 2)])
@pytest.mark.parametrize("all_reduce", [ring.all_reduce, hierarchical.all_reduce, tree.double_all_reduce])
def test_every_element_is_combined_once_wherever_the_ranks_are(all_reduce, members):
    """(p - 1)/p n gamma (Thakur et al. 2005, section 4.5), whatever level the members are on."""
    assert sum(term.reduced for term in all_reduce(members)) == pytest.approx(3 / 4)


def test_double_tree_of_two_domains_sends_half_of_a_ring():
    assert tree.double_tree_load(2) == 1
    assert tree.double_tree_load(16) == 2
