"""Plans of memory savers: what a text says, and what a step of one costs and keeps."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from hypothesis import given
from hypothesis import strategies as st

from simdl.errors import SimdlError
from simdl.memory.savers import Saver, Segment, block_savers, clipped, counted, format_row, savers_row
from simdl.step.simulate import simulate
from simdl.step.strategy import Recompute, Strategy, problems

SAVERS = st.sampled_from([Saver(), Saver("selective"), Saver("full"), Saver(optimizer=True)])
ITEMS = st.recursive(
    SAVERS,
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda items: Segment(counted(tuple(items)))),
    max_leaves=6,
)


def step(strategy, *, layers=4, cluster=None, **stack):
    workload = build_workload(build_network(layers))
    devices = cluster or build_cluster(1, devices=strategy.devices)
    return simulate(workload, devices, strategy, stack=build_stack(**stack)).report


@pytest.mark.property
@given(st.lists(ITEMS, min_size=1, max_size=5))
def test_the_text_of_a_plan_is_read_back(items):
    depth = len(block_savers(tuple(items)))
    assert savers_row(format_row(tuple(items)), depth) == tuple(items)


@pytest.mark.property
@given(st.lists(ITEMS, min_size=1, max_size=5), st.data())
def test_a_cut_divides_a_plan_block_by_block(items, data):
    blocks = block_savers(tuple(items))
    cut = data.draw(st.integers(0, len(blocks)))
    parts = [clipped(tuple(items), 0, cut), clipped(tuple(items), cut, len(blocks))]
    assert sum((block_savers(part) for part in parts), ()) == blocks


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keep, 2x ful", "expected one of keep, selective, full"),
        ("keep, ", "at the end: expected one of keep"),
        ("keep, *x full, *x keep", "'\\*x' 2 times; expected it once"),
        ("3x keep", "found 3 blocks in '3x keep'; expected the 6 blocks"),
        ("*x [4x keep]", "found 0 blocks .* and 6 left for items of 4"),
        ("keep+full, *x keep", "expected one of keep, selective, full and each word once"),
        ("[keep, offload], *x keep", "offload within a segment"),
        ("keep, [full, *x keep", "within a segment; expected a number"),
        ("keep, [full", "expected ',' or '\\]'"),
        ("0x keep, *x full", "a count of 0"),
        ("keep]", "expected ',' or the end"),
        ("[" * 200, "more than 100 deep"),
    ],
)
def test_what_is_no_plan_is_refused_with_the_place(text, message):
    with pytest.raises(SimdlError, match=f"savers.*{message}"):
        savers_row(text, 6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"savers": "*x full"}, "found full or a segment for embedding, head"),
        ({"savers": "[2x keep], *x keep"}, "found full or a segment for embedding"),
        ({"savers": "*x keep", "recompute": Recompute.FULL}, "both say what is recomputed"),
        ({"recompute_layers": 2}, "recompute_layers: found 2 with recompute none"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(changes, message):
    found = problems(replace(Strategy(dp=8), **changes), build_workload(), build_cluster())
    assert message in next(iter(found))


@pytest.mark.theory
@pytest.mark.parametrize("pp", [1, 2])
@pytest.mark.parametrize(
    ("recompute", "layers", "savers"),
    [
        (Recompute.FULL, 0, "keep, 4x full, keep"),
        (Recompute.FULL, 0, "keep, 4x [keep], keep"),
        (Recompute.SELECTIVE, 0, "*x selective"),
        (Recompute.NONE, 0, "*x keep"),
        (Recompute.FULL, 1, "keep, full, keep, *x keep"),
    ],
)
def test_one_plan_for_all_blocks_is_the_mode_of_the_strategy(recompute, layers, savers, pp):
    if layers and pp == 2:
        savers = "keep, full, keep, full, *x keep"
    plain = Strategy(pp=pp, micro_batch=2, recompute=recompute, recompute_layers=layers)
    by_mode, by_block = step(plain), step(Strategy(pp=pp, micro_batch=2, savers=savers))
    assert by_block.step_time == by_mode.step_time
    assert by_block.memory == by_mode.memory
    assert by_block.hfu == by_mode.hfu
    assert by_block.kernels == pytest.approx(by_mode.kernels)


@pytest.mark.theory
def test_more_layers_recomputed_take_longer_and_keep_less():
    found = [
        step(Strategy(micro_batch=4, recompute=Recompute.FULL, recompute_layers=layers))
        for layers in (1, 2, 3)
    ]
    times = [report.step_time for report in found]
    kept = [report.memory["activations"] for report in found]
    assert times[2] - times[1] == pytest.approx(times[1] - times[0])
    assert kept[1] - kept[2] == pytest.approx(kept[0] - kept[1])
    assert times[0] < times[1]
    assert kept[0] > kept[1]


@pytest.mark.theory
def test_segments_keep_one_input_each_and_run_again_once_per_level():
    strategy = Strategy(micro_batch=4)
    none, full, half, nested = (
        step(replace(strategy, savers=savers), layers=8)
        for savers in (
            "*x keep",
            "keep, 8x full, keep",
            "keep, 2x [4x keep], keep",
            "keep, [[4x keep], 4x keep], keep",
        )
    )
    again = full.breakdown["recompute"]
    assert half.breakdown["recompute"] == pytest.approx(again)
    assert nested.breakdown["recompute"] == pytest.approx(1.5 * again)
    one = (none.memory["activations"] - full.memory["activations"]) / 8  # a block less its input
    input_bytes = (full.memory["activations"] - half.memory["activations"]) / 6
    assert half.memory["activations"] == pytest.approx(full.memory["activations"] - 6 * input_bytes)
    assert nested.memory["activations"] == pytest.approx(full.memory["activations"] - 7 * input_bytes)
    assert half.memory["transient"] - full.memory["transient"] == pytest.approx(3 * (one + input_bytes))


@pytest.mark.theory
def test_causes_of_a_plan_add_up_and_kernels_count_what_runs_again():
    report = step(Strategy(micro_batch=4, savers="keep, [[2x keep], keep], selective, keep"))
    assert sum(report.breakdown.values()) == pytest.approx(report.step_time)
    passes = sum(report.breakdown[cause] for cause in ("forward", "backward", "recompute"))
    assert sum(report.kernels.values()) == pytest.approx(passes)
    seconds = sum(each.seconds for each in report.critical_operators)
    assert seconds == pytest.approx(report.step_time)
