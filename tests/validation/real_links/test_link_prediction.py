"""What the simulator says of shaped links is the closed form of each algorithm on their known numbers."""

from dataclasses import replace

import pytest

from simdl.communication import butterfly, parameter_server, ring
from validation.real_links.compare import compare, relative_error, statistics_of, summary_groups
from validation.real_links.link_run import Conditions, LinkRun, Repetition
from validation.real_links.prediction import EFFICIENCY, build_cluster, predicted_time

MIB = 2**20
CONDITIONS = Conditions(
    date="2026-11-26T12:00:00+00:00",
    kernel="Linux 6",
    cpu="a processor",
    cores=2,
    python="3.11",
    numpy="2.0",
    torch="",
    ranks=4,
    rate=25e6,
    delay=0.0,
    delay_by="",
    latency=50e-6,
)
BETA = 1514 / 1448 / 25e6
FORMS = {
    "ring": ring.estimate_all_reduce,
    "recursive_doubling": butterfly.estimate_all_reduce,
    "parameter_server": parameter_server.estimate_all_reduce,
}


@pytest.mark.theory
@pytest.mark.parametrize("ranks", [2, 3, 4, 8])
@pytest.mark.parametrize("name", list(FORMS))
def test_an_all_reduce_takes_its_closed_form(name, ranks):
    conditions = replace(CONDITIONS, ranks=ranks)
    form = FORMS[name](ranks, n=MIB, alpha=50e-6, beta=BETA, gamma=0)
    assert predicted_time(name, MIB, conditions) == pytest.approx(form, rel=2e-3)  # sums and the call beside


@pytest.mark.theory
def test_a_transfer_takes_latency_and_wire_time():
    expected = 50e-6 + MIB * BETA
    assert predicted_time("point_to_point", MIB, CONDITIONS) == pytest.approx(expected, rel=1e-3)


def test_a_full_frame_carries_its_payload():
    assert pytest.approx(1448 / 1514) == EFFICIENCY


def test_the_cluster_is_one_rank_a_node():
    cluster = build_cluster(CONDITIONS)
    assert (cluster.count, cluster.devices) == (4, 4)
    assert cluster.levels[-1].link.bandwidth == 25e6


def test_half_the_rate_takes_twice_the_time():
    slow = replace(CONDITIONS, rate=12.5e6, latency=100e-6)
    ratio = predicted_time("ring", MIB, slow) / predicted_time("ring", MIB, CONDITIONS)
    assert ratio == pytest.approx(2, rel=1e-3)


def repetition(nbytes, time, algorithm="ring"):
    return Repetition(transport="sockets", algorithm=algorithm, nbytes=nbytes, time=time)


class TestCompare:
    def test_a_row_is_the_median_of_its_repetitions(self):
        times = (0.08, 0.07, 0.30)
        run = LinkRun(conditions=CONDITIONS, repetitions=tuple(repetition(MIB, time) for time in times))
        (row,) = compare(run)
        assert row.measured == 0.08
        assert row.spread == pytest.approx(0.23 / 0.08)
        assert row.bus_bandwidth == pytest.approx(1.5 * MIB / 0.08)
        assert relative_error(row) == pytest.approx(predicted_time("ring", MIB, CONDITIONS) / 0.08 - 1)

    def test_a_transfer_has_the_bus_bandwidth_of_its_link(self):
        run = LinkRun(conditions=CONDITIONS, repetitions=(repetition(MIB, 0.05, "point_to_point"),))
        assert compare(run)[0].bus_bandwidth == pytest.approx(MIB / 0.05)

    def test_what_was_left_out_has_rows_with_the_reason(self):
        run = LinkRun(
            conditions=CONDITIONS,
            repetitions=(repetition(MIB, 0.07), repetition(2 * MIB, 0.14)),
            skipped=(("gloo", "no torch"),),
        )
        rows = compare(run)
        assert [(row.transport, row.nbytes, row.skipped) for row in rows[2:]] == [
            ("gloo", MIB, "no torch"),
            ("gloo", 2 * MIB, "no torch"),
        ]
        assert statistics_of(rows).n == 2

    def test_small_messages_are_left_out_of_the_large_group(self):
        run = LinkRun(conditions=CONDITIONS, repetitions=(repetition(65536, 1.0), repetition(MIB, 0.07)))
        groups = summary_groups(compare(run))
        assert [row.nbytes for row in groups["at_least_1_mib"]] == [MIB]
        assert len(groups["overall"]) == 2
        assert [row.nbytes for row in groups["sockets ring at_least_1_mib"]] == [MIB]
