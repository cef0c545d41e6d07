"""A calibration of rows with known terms: profile, residuals, tables, and what a planner makes of them."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from measured_rows import (
    BANDWIDTH,
    COPY,
    FACTS,
    LATENCY,
    SHARD_COPIES,
    SHARDED,
    SOFTWARE,
    TRUE,
    measured_rows,
    write_measurements,
)

from hardware.profiles import load_cluster
from planner.cli import main
from planner.questions.cluster_library import stack_on
from simdl.communication import Group, Operation, collective_time
from simdl.kernels.convolution_table import read_convolution_table
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.kernel import Kernel
from simdl.kernels.sharding import Shard, block_kernels
from simdl.software.reader import load_stack
from validation.calibration.calibrate import calibrate, predicted_time
from validation.calibration.fit_links import fit_link
from validation.calibration.fit_software import SoftwareFit, fit_software
from validation.calibration.outcome import family_errors
from validation.calibration.page import calibrations_page
from validation.calibration.profile import format_profile
from validation.calibration.session import fit_file
from validation.errors import MeasurementError
from validation.microbenchmarks.case import walk_product
from validation.microbenchmarks.families.recurrence import WITHIN
from workloads.dtypes import load_precision
from workloads.layers.recurrent import Cell, recurrent
from workloads.network import Block
from workloads.operators import OperatorKind, Pass

NOISE = 0.02


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("calibration")


@pytest.fixture(scope="module")
def alone(folder):
    return fit_file(write_measurements(folder, noise=NOISE), FACTS)


@pytest.fixture(scope="module")
def shared(folder):
    return fit_file(write_measurements(folder, 2, "torch", noise=NOISE), FACTS)


@pytest.fixture(scope="module")
def profiles(folder, alone, shared):
    assert alone.files
    assert shared.files
    return {count: str(folder / f"profile-{count}.toml") for count in (1, 2)}


def simdl(*arguments):
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.theory
@pytest.mark.parametrize("which", ["alone", "shared"])
def test_rows_held_out_are_predicted_within_a_few_times_the_noise(which, request):
    found = request.getfixturevalue(which)
    for family in family_errors(found.residuals):
        assert family.held_out > 0, family.family
        assert family.held_out_median < 3 * NOISE, family.family
        assert family.fitted_median < 2 * NOISE, family.family


@pytest.mark.theory
def test_peaks_and_bandwidth_are_those_of_the_machine(alone):
    assert alone.fitted.bandwidth == pytest.approx(COPY, rel=3 * NOISE)
    assert 0.8e11 < alone.fitted.peak["fp32"] < 1.1e11


def test_every_file_is_there_and_nothing_half_written(folder, alone, shared):
    names = {path.name for path in (*alone.files, *shared.files)}
    assert {path.name for path in folder.iterdir()} == names
    assert "convolutions-alexnet.csv" in names
    assert shared.files[0].name == "measurements-2.csv"
    assert all("convolutions" not in path.name for path in shared.files)  # tables are of one process


def test_residuals_are_a_row_for_every_kernel_that_was_fitted(folder, alone):
    with (folder / "residuals-1.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(alone.residuals)
    for row in rows:
        error = float(row["predicted_s"]) / float(row["measured_s"]) - 1
        assert float(row["error"]) == pytest.approx(error, abs=1e-3)
    assert {row["held_out"] for row in rows} == {"yes", "no"}


def test_the_profile_says_where_it_was_measured_and_cites_its_file(profiles, alone):
    cluster = load_cluster(profiles[1])
    assert cluster.node.measured_on["device"] == FACTS.name
    assert cluster.node.measured_on["backend"] == "numpy"
    assert cluster.node.measured_on["processes"] == "1"
    text = (alone.files[1]).read_text(encoding="utf-8")
    assert set(re.findall(r'^location = "(.*)"', text, re.MULTILINE)) == {"measurements-1.csv"}
    assert set(re.findall(r'source = "(\w+)"', text)) == {"measured", "system", "assumed"}


def test_numbers_of_the_profile_come_back_as_they_were_fitted(profiles, alone):
    device = load_cluster(profiles[1]).device
    fitted = alone.fitted
    assert set(device.kernels) == set(fitted.terms)
    for key, terms in fitted.terms.items():
        assert device.kernels[key].latency == pytest.approx(terms.latency, rel=1e-3, abs=1e-12)
        assert device.kernels[key].flop_rate == pytest.approx(terms.flop_rate, rel=1e-3)
        assert device.kernels[key].lanes == terms.lanes
        assert set(device.kernels[key].traffic) == set(terms.traffic)
        for operand, tiers in terms.traffic.items():
            for found, wanted in zip(device.kernels[key].traffic[operand], tiers, strict=True):
                assert (found.start, found.bandwidth) == pytest.approx(
                    (wanted.start, wanted.bandwidth), rel=1e-3
                )
    assert device.memory_bandwidth == pytest.approx(fitted.bandwidth, rel=1e-3)
    assert device.memory_capacity == pytest.approx(FACTS.memory, rel=1e-3)


def test_processes_share_memory_and_threads(profiles):
    one, two = (load_cluster(profiles[count]) for count in (1, 2))
    assert (one.node.devices, two.node.devices) == (1, 2)
    assert two.device.memory_capacity == pytest.approx(one.device.memory_capacity / 2)
    assert (one.device.multiprocessors, two.device.multiprocessors) == (2, 1)


@pytest.mark.theory
def test_latency_and_bandwidth_between_processes_come_back(shared):
    assert shared.fitted.link.latency == pytest.approx(LATENCY, rel=0.1)
    assert shared.fitted.link.bandwidth == pytest.approx(BANDWIDTH, rel=0.1)


@pytest.mark.theory
@pytest.mark.parametrize("power", [12, 16, 20, 24])
def test_the_simulator_prices_the_measured_all_reduce_with_the_fitted_link(profiles, shared, power):
    cluster = load_cluster(profiles[2])
    measured = [
        row.value
        for row in shared.measurements
        if row.case.kernel == "collective/all_reduce" and row.case.nbytes == 2**power
    ]
    found = collective_time(
        Operation.ALL_REDUCE, 2.0**power, Group(size=2, stride=1), cluster, library="gloo", algorithm="ring"
    )
    assert found.time == pytest.approx(min(measured), rel=0.06)


def test_one_all_reduce_makes_no_link():
    rows = [row for row in measured_rows(2) if row.case.kernel == "collective/all_reduce"]
    assert fit_link(rows[:1]) is None
    assert fit_link([]) is None


def test_the_page_draws_every_kernel_and_all_reduce(alone, shared):
    page = calibrations_page([alone, shared], {"headline": ""})
    titles = [section.title for section in page.sections]
    kinds = dict.fromkeys(
        row.key.partition("/")[0].capitalize() for row in (*alone.residuals, *shared.residuals)
    )
    assert titles == [*titles[:2], *kinds, "Link", "Residuals by family"]
    measured = [trace for trace in page.sections[-2].body.data if trace.name == "measured, 2 processes"]
    assert [len(trace.x) for trace in measured] == [len(shared.fitted.link.rows)]
    for row in shared.fitted.link.rows:
        assert row.predicted == pytest.approx(row.seconds, rel=0.2)


def test_too_little_to_fit_is_refused(alone):
    with pytest.raises(MeasurementError, match=r"m\.csv: no kernel has 3 rows or more"):
        calibrate(alone.measurements[:2], FACTS, "m.csv")
    rows = [row for row in alone.measurements if row.case.family == "streaming"]
    with pytest.raises(MeasurementError, match="no copy was measured"):
        calibrate(rows, FACTS, "m.csv")


@pytest.mark.parametrize("name", ['A "quoted" CPU \\ 9', "Prozessor — für alles", "a\tb"])
def test_any_name_of_a_device_is_written_and_read(alone, tmp_path, name):
    where = replace(alone.fitted.setting, device=name)
    path = tmp_path / "profile.toml"
    path.write_text(format_profile(replace(alone.fitted, setting=where)), encoding="utf-8")
    assert load_cluster(str(path)).node.measured_on["device"] == name


@pytest.mark.parametrize("count", [1, 2])
def test_networks_are_simulated_and_planned_on_a_profile(profiles, count):
    simulated = simdl("simulate", "resnet18", "--cluster", profiles[count], "--global-batch", 8)
    assert "step" in simulated
    planned = simdl("plan", "resnet18", "--cluster", profiles[count], "--global-batch", 8)
    assert "resnet18" in planned


def test_tables_are_what_micro_batches_are_chosen_from(folder, profiles, alone):
    table = folder / "convolutions-alexnet.csv"
    rows = read_convolution_table(table)
    assert {row.algorithm for row in rows} == {"gemm", "fft"}
    best = min(
        row.value
        for row in alone.measurements
        if row.case.kernel == "convolution/forward"
        and row.case.algorithm == "gemm"
        and row.case.dims["kernel_height"] == 11
    )
    (first,) = [row for row in rows if row.algorithm == "gemm" and row.which.value == "forward"][:1]
    assert first.time == pytest.approx(best, rel=1e-3)
    assert first.workspace == pytest.approx(1e6 * first.batch, rel=1e-3)
    batch = max(row.batch for row in rows)  # a quick run measures one batch of a layer, the largest that fits
    options = ("--device", profiles[1], "--batch", batch, "--workspace", "1GiB", "--table", table)
    assert "alexnet" in simdl("microbatch", "alexnet", *options)


def test_noise_is_what_rounds_lie_apart_by(alone):
    values = {}
    for row in alone.measurements:
        if not row.skipped:
            values.setdefault(row.case.key, []).append(row.value)
    apart = np.median([max(found) / min(found) - 1 for found in values.values()])
    assert apart < 3 * NOISE


@pytest.mark.theory
def test_what_a_framework_spends_beside_kernels_is_told_from_differences(profiles):
    """Steps, parameters and sharded calls of a machine whose seconds are known."""
    node = load_cluster(profiles[2]).node
    assert node.software == pytest.approx(SOFTWARE, rel=0.25)
    found = {name: (each.latency, each.bandwidth) for name, each in node.collectives.items()}
    assert found == {
        name: pytest.approx((latency, 1 / (1 / bandwidth + 1 / SHARD_COPIES)), rel=0.2)
        for name, (latency, bandwidth) in SHARDED.items()
    }


def test_differences_that_are_noise_are_left_out():
    rows = [replace(row, value=row.value * (40 if "step" in row.case.kernel else 1)) for row in launches()]
    assert set(fit_software(rows).seconds) == {"variable_overhead", "shard_call"}
    plain = fit_software([row for row in rows if "sharded" not in row.case.kernel])
    assert (set(plain.seconds), plain.collectives) == ({"variable_overhead"}, {})
    assert fit_software([row for row in rows if row.case.family == "copy"]) == SoftwareFit()


def launches():
    return [row for row in measured_rows(2, "torch", noise=0.0, rounds=1) if row.case.family != "matmul"]


def test_a_step_on_a_profile_takes_what_its_framework_was_measured_to_spend(profiles):
    options = ("lenet5", "--cluster", profiles[2], "--global-batch", 8)
    whole, bare = (
        json.loads(simdl("simulate", *options, "--dp", 2, "--zero", zero, "--json")) for zero in (0, 3)
    )
    stack = stack_on("pytorch-cpu", load_cluster(profiles[2]))
    assert stack.shard_call == pytest.approx(SOFTWARE["shard_call"], rel=0.25)
    assert whole["step_time"] < bare["step_time"]
    assert stack_on("megatron-2022", load_cluster(profiles[2])).shard_call == 0


@pytest.mark.theory
def test_a_walk_over_a_recurrent_layer_takes_its_steps_and_its_inputs_as_measured_and_nothing_else(profiles):
    """Gates, sums of biases and gradients of recurrent weights run in the walk's own call."""
    kernels = load_cluster(profiles[2]).device.kernels
    assert {kernels[key].latency for inside in WITHIN.values() for key in inside} == {0.0}
    layer = recurrent("lstm", "input", Cell(kind="lstm", steps=20, inputs=400, hidden=256, biases=2))
    found = block_kernels(
        Block(name="one", layers=(layer,)),
        Pass.FORWARD,
        shard=Shard(micro_batch=32),
        precision=load_precision("fp32"),
        stack=load_stack("pytorch-cpu"),
    )
    seconds = {each.name: estimate_kernel_time(each, load_cluster(profiles[2]).device) for each in found}
    dims = {"batch": 32, "hidden": 256}
    for name, many in (("lstm step product", {}), ("lstm input product", {"steps": 20, "inputs": 400})):
        walk = walk_product(name, dims | many)
        kernel = Kernel(name, OperatorKind.MATMUL, 2.0 * walk.m * walk.n * walk.k, 0.0, "fp32", walk)
        wanted = predicted_time(TRUE["recurrence"], kernel) * (1 if many else 20)
        assert seconds[name] == pytest.approx(wanted, rel=0.07)
    assert seconds["lstm gates"] == 0.0
