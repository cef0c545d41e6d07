"""Micro-batches carried out: right results, wrong ones found, times next to the predicted ones."""

from dataclasses import replace

import numpy as np
import pytest
from micro_tables import lenet_passes, table_rows, workspace_between

from planner.errors import InfeasibleError
from planner.microbatch.configuration import MicroBatch, Policy, build_configuration
from planner.microbatch.plan import Mode
from simdl.errors import SimdlError
from simdl.kernels.kernel import ConvolutionCall
from validation.errors import MeasurementError
from validation.micro_batching.choices import check_algorithms, choose
from validation.micro_batching.execute import execute
from validation.micro_batching.measure import measure_choices
from validation.micro_batching.report import record, rows, total_of
from validation.micro_batching.rounding import rounding_tolerance, sum_depth
from validation.micro_batching.runners import load_runner
from validation.microbenchmarks.arrays.convolutions import convolve, operand_shapes
from workloads.operators import ConvolutionShape, Pass

SHAPE = ConvolutionShape(
    in_channels=3, out_channels=4, in_height=8, in_width=8, out_height=8, out_width=8,
    kernel_height=3, kernel_width=3,
)  # fmt: skip


def parts(*sizes, algorithm="gemm"):
    return build_configuration(
        MicroBatch(size=size, algorithm=algorithm, time=1.0, workspace=1.0) for size in sizes
    )


def operands(call, seed=0):
    numbers = np.random.default_rng(seed)
    return tuple(numbers.uniform(-1, 1, extents).astype(np.float32) for extents in operand_shapes(call))


def root(array):
    return float(np.sqrt(np.mean(array**2)))


def chosen(**changes):
    question = {
        "batch": 8,
        "workspace": workspace_between(),
        "policy": Policy.POWER_OF_TWO,
        "mode": Mode.REUSE,
    }
    return choose(lenet_passes(), table_rows(), **{**question, **changes})


@pytest.mark.theory
@pytest.mark.parametrize("which", Pass)
@pytest.mark.parametrize("algorithm", ["implicit_gemm", "gemm", "fft", "winograd_nonfused"])
def test_micro_batches_give_the_result_of_the_undivided_pass(which, algorithm):
    if (algorithm, which) == ("winograd_nonfused", Pass.WEIGHT_GRADIENT):
        return
    call = ConvolutionCall(SHAPE, 7, which)
    first, second = operands(call)
    exact = convolve(np, call, "implicit_gemm", first.astype(np.float64), second.astype(np.float64))
    found = execute(load_runner("numpy", "cpu"), call, parts(4, 2, 1, algorithm=algorithm), (first, second))
    tolerance = rounding_tolerance(call, root(first), root(second))
    assert np.abs(found - exact).max() <= tolerance
    assert tolerance < 1e-3 * np.abs(exact).max()


@pytest.mark.theory
@pytest.mark.parametrize("which", Pass)
def test_a_lost_micro_batch_or_tap_is_more_than_rounding(which):
    call = ConvolutionCall(SHAPE, 64, which)
    first, second = operands(call)
    exact = convolve(np, call, "gemm", first, second)
    tolerance = rounding_tolerance(call, root(first), root(second))
    wrong = first.copy()
    wrong[-1, ..., 0, 0] = 0  # one tap of a filter, or one pixel of one image
    assert np.abs(convolve(np, call, "gemm", wrong, second) - exact).max() > tolerance
    if which is Pass.WEIGHT_GRADIENT:
        shorter = convolve(np, call, "gemm", first[:-1], second[:-1])
        assert np.abs(shorter - exact).max() > tolerance


@pytest.mark.theory
def test_depth_is_the_number_of_products_of_one_element():
    assert sum_depth(ConvolutionCall(SHAPE, 5, Pass.FORWARD)) == 27
    assert sum_depth(ConvolutionCall(SHAPE, 5, Pass.INPUT_GRADIENT)) == 36
    assert sum_depth(ConvolutionCall(SHAPE, 5, Pass.WEIGHT_GRADIENT)) == 320


def test_the_choice_comes_from_the_table_alone():
    found = chosen()
    divided = [c for c in found.choices if len(c.configuration.micro_batches) > 1]
    assert divided
    assert all(part.algorithm == "fft" for choice in divided for part in choice.configuration.micro_batches)
    assert all(choice.measured for choice in found.choices)
    assert found.device == "made-up"


def test_layers_that_nobody_measured_are_left_out_and_named():
    passes = lenet_passes()
    first = passes[0].layer
    rest = [row for row in table_rows() if row.layer != first]
    found = choose(passes, rest, batch=8, workspace=1e9, policy=Policy.POWER_OF_TWO, mode=Mode.REUSE)
    assert found.left_out == (first,)
    assert len(found.choices) == len([part for part in passes if part.layer != first])


def test_passes_run_as_chosen_and_undivided():
    found = chosen()
    told = []
    results = measure_choices(load_runner("numpy", "cpu"), found.passes, found.choices, 8, told.append)
    assert [result.choice for result in results] == list(found.choices)
    assert all(result.equal for result in results)
    assert all(result.time > 0 for result in results)
    assert told == [f"{part.layer} {part.which.value}" for part in found.passes]
    assert all(result.undivided_time > 0 for result in results)


def test_equal_passes_run_once():
    found = chosen()
    told = []
    measure_choices(load_runner("numpy", "cpu"), found.passes * 2, found.choices * 2, 8, told.append)
    assert len(told) == len(found.passes)


def test_a_wrong_runner_is_found_out(monkeypatch):
    runner = load_runner("numpy", "cpu")
    found = chosen()
    right = type(runner).run

    def run(self, call, algorithm, first, second):
        result = right(self, call, algorithm, first, second)
        return result * 0.999 if call.batch < 8 else result

    monkeypatch.setattr(type(runner), "run", run)
    results = measure_choices(runner, found.passes, found.choices, 8)
    for result in results:
        assert result.equal is (len(result.choice.configuration.micro_batches) == 1)


def test_a_pass_that_does_not_fit_undivided_is_checked_all_the_same():
    found = chosen()
    lone = replace(found.choices[0], undivided=None)
    (result,) = measure_choices(load_runner("numpy", "cpu"), found.passes[:1], [lone], 8)
    assert result.undivided_time is None
    assert result.equal
    assert total_of([result]).speedup is None
    assert rows([result])[-1][5:8] == ("-", "-", "-")


def test_a_report_adds_up():
    found = chosen()
    results = measure_choices(load_runner("numpy", "cpu"), found.passes, found.choices, 8)
    answer = record(results)
    assert answer["time"] == pytest.approx(sum(layer["time"] for layer in answer["layers"]))
    assert answer["predicted_time"] == sum(choice.configuration.time for choice in found.choices)
    assert (
        answer["predicted_speedup"] == sum(c.undivided.time for c in found.choices) / answer["predicted_time"]
    )
    assert answer["speedup"] == pytest.approx(answer["undivided_time"] / answer["time"])
    assert answer["equal"] is True
    assert len(rows(results)) == len(results) + 1


def test_a_limit_below_every_workspace_binds():
    with pytest.raises(InfeasibleError):
        chosen(workspace=1000.0)


def test_tables_that_do_not_fit_are_refused():
    question = {"batch": 8, "workspace": 1e9, "policy": Policy.POWER_OF_TWO, "mode": Mode.REUSE}
    two = table_rows() + table_rows(device="another")
    with pytest.raises(MeasurementError, match="another, made-up; expected those of one device"):
        choose(lenet_passes(), two, **question)
    strange = [replace(row, layer="none") for row in table_rows()[:1]]
    with pytest.raises(MeasurementError, match="no row of a layer of the model; it holds none"):
        choose(lenet_passes(), strange, **question)


def test_an_algorithm_that_the_backend_has_not_is_refused():
    with pytest.raises(SimdlError, match=r"torch cannot be told to run fft; expected direct, gemm"):
        check_algorithms(chosen(), ("direct", "gemm"), "torch")


def test_torch_runs_the_same_passes():
    pytest.importorskip("torch")
    runner = load_runner("torch", "cpu")
    for which in Pass:
        call = ConvolutionCall(SHAPE, 7, which)
        first, second = operands(call)
        exact = convolve(np, call, "gemm", first, second)
        for algorithm in runner.algorithms:
            configuration = parts(4, 2, 1, algorithm=algorithm)
            placed = runner.place(first), runner.place(second)
            found = runner.fetch(execute(runner, call, configuration, placed))
            assert np.abs(found - exact).max() <= rounding_tolerance(call, root(first), root(second))
