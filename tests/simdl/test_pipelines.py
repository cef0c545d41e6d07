import pytest
from grid import format_grid

from simdl.errors import DeadlockError, SimdlError
from simdl.pipelines import in_flight, peak_in_flight, pipeline, pipeline_order
from simdl.pipelines.passes import Pass, PassKind, Phase, Result, needs

F, B, INPUT, WEIGHT = PassKind


def test_the_text_names_pass_microbatch_and_stage():
    assert str(Pass(F, 3, 12)) == "F3.12"


def test_a_pass_needs_the_neighbours_and_its_own_phases():
    forward, gradient = Phase.FORWARD, Phase.INPUT_GRADIENT
    assert list(needs(Pass(F, 1, 0), 3)) == []
    assert list(needs(Pass(F, 1, 2), 3)) == [Result(forward, 1, 1)]
    assert list(needs(Pass(B, 1, 2), 3)) == [Result(forward, 1, 2)]
    assert list(needs(Pass(B, 1, 0), 3)) == [Result(forward, 1, 0), Result(gradient, 1, 1)]
    assert list(needs(Pass(INPUT, 1, 0), 3)) == list(needs(Pass(B, 1, 0), 3))
    assert list(needs(Pass(WEIGHT, 1, 0), 3)) == [Result(gradient, 1, 0)]


def test_a_copy_begins_and_ends_for_itself():
    assert list(needs(Pass(F, 1, 3), 3)) == []
    assert list(needs(Pass(INPUT, 1, 2), 3)) == [Result(Phase.FORWARD, 1, 2)]


def texts(name, rank, *sizes):
    return " ".join(map(str, pipeline_order(name, *sizes)[rank]))


def test_gpipe_runs_backward_in_reverse():
    assert texts("gpipe", 1, 2, 3) == "F0.1 F1.1 F2.1 B2.1 B1.1 B0.1"


def test_1f1b_warms_up_with_the_ranks_behind():
    assert texts("1f1b", 0, 3, 4) == "F0.0 F1.0 F2.0 B0.0 F3.0 B1.0 B2.0 B3.0"
    assert texts("1f1b", 2, 3, 4) == "F0.2 B0.2 F1.2 B1.2 F2.2 B2.2 F3.2 B3.2"


@pytest.mark.published
@pytest.mark.parametrize(("p", "m", "v"), [(2, 4, 2), (4, 8, 2), (4, 16, 4), (8, 8, 3)])
def test_interleaving_follows_megatron_step_by_step(p, m, v):
    """Megatron-LM, schedules.py, get_model_chunk_id: virtual microbatch k has chunk (k mod p v) // p.

    Reversed for backward passes; Narayanan et al. 2021, arXiv:2104.04473, figure 4.
    """
    for rank, order in enumerate(pipeline_order("interleaved-1f1b", p, m, v)):
        forwards = [one for one in order if one.kind is F]
        backwards = [one for one in order if one.kind is B]
        for k in range(m * v):
            chunk = k % (p * v) // p
            microbatch = k // (p * v) * p + k % p
            assert forwards[k] == Pass(F, microbatch, chunk * p + rank)
            assert backwards[k] == Pass(B, microbatch, (v - 1 - chunk) * p + rank)
        warm_up = min(2 * (p - rank - 1) + (v - 1) * p, m * v)
        steady = "FB" * (m * v - warm_up)
        assert "".join(one.kind.letter for one in order) == "F" * warm_up + steady + "B" * warm_up


def test_interleaving_with_one_virtual_stage_is_1f1b():
    assert pipeline_order("interleaved-1f1b", 4, 8, 1) == pipeline_order("1f1b", 4, 8, 1)


def test_live_activations_per_virtual_stage():
    assert in_flight("1f1b", 3, 4) == ({0: 3}, {1: 2}, {2: 1})
    assert in_flight("interleaved-1f1b", 2, 4, 2) == ({0: 4, 2: 2}, {1: 3, 3: 1})
    assert peak_in_flight("interleaved-1f1b", 2, 4, 2) == (5, 3)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(SimdlError, match=r"found 'interleaved'.*did you mean 'interleaved-1f1b'"):
        pipeline("interleaved")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("1f1b", 0, 4, 1), "ranks: found 0; expected at least 1"),
        (("1f1b", 2, 0, 1), "microbatches: found 0; expected at least 1"),
        (("gpipe", 2, 4, 2), "virtual stages: found 2; expected 1"),
        (("interleaved-1f1b", 4, 6, 2), "microbatches: found 6; expected a multiple of the 4 pipeline ranks"),
    ],
)
def test_sizes_that_an_order_does_not_take_are_refused(arguments, message):
    with pytest.raises(SimdlError, match=f"schedule {arguments[0]}: {message}"):
        pipeline_order(*arguments)


def test_a_grid_of_an_order_that_blocks_itself_names_the_wait():
    orders = ((Pass(B, 0, 0), Pass(F, 0, 0)),)
    with pytest.raises(DeadlockError, match=r"rank 0, entry 0: found B0.0, which waits for the forward of"):
        format_grid(orders)
