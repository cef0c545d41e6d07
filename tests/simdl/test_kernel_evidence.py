"""What an answer says of kernels that no table of their device tells."""

import pytest

from hardware.architecture import ANY, architecture_named, architectures
from hardware.profiles import device_names, load_device
from simdl.report.kernel_evidence import untold_kernels
from simdl.software.reader import load_stack
from workloads.dtypes import load_precision
from workloads.registry import load_network

SECONDS = {"matmul": 6.0, "attention": 1.0, "convolution": 2.0, "elementwise": 3.0}


def said(device, *, precision="fp32", network="lenet5", seconds=SECONDS):
    return untold_kernels(
        load_device(device),
        seconds,
        precision=load_precision(precision),
        network=load_network(network),
        stack=load_stack("pytorch-ngc"),
    )


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [
        ("a10", "bf16", "no table of a10 itself; derived, taken from a40"),
        ("h20", "bf16", "no table of h20 itself; those of h100-sxm-80gb, its base"),
        ("k80", "fp32", "no table of k80 itself; derived"),
        ("mi250x", "bf16", "no table of mi250x itself; derived, taken from neusight_gemm_amd"),
        ("tpu-v4", "bf16", "no table of tpu-v4 itself; assumed"),
        ("b200", "bf16", "no table of b200 itself; derived, taken from gb200"),
    ],
)
def test_a_device_without_a_table_names_what_its_efficiencies_are_taken_from(device, precision, expected):
    lines = said(device, precision=precision)
    assert any(line.startswith("products") and expected in line for line in lines)


def test_what_tables_of_the_device_tell_goes_unsaid():
    told = said("v100-sxm2-16gb", precision="fp16", seconds={"matmul": 1.0, "convolution": 1.0})
    assert told == ()
    assert said("a10", precision="bf16", seconds={"matmul": 1.0, "elementwise": 1e-3}) != ()


def test_every_device_without_its_own_matrix_rows_says_so():
    for name in device_names():
        device = load_device(name)
        precision = "bf16" if "bf16" in device.peak_flop_rate else "fp32"
        path = f"efficiency.matmul.fraction.{load_precision(precision).matmul}"
        number = next((each for each in device.numbers if each.path == path), None)
        if number is not None and (number.inherited or number.citation.kind in {"derived", "assumed"}):
            assert any(line.startswith("products") for line in said(name, precision=precision))


def test_steps_of_recurrent_layers_are_assumed_where_no_table_of_the_architecture_timed_them():
    for device, assumed in (("h100-sxm-80gb", True), ("v100-sxm2-16gb", False), ("m40", False)):
        lines = said(device, network="gnmt", seconds={"matmul": 1.0})
        assert any("steps of recurrent layers" in line for line in lines) is assumed


def test_architectures_without_a_number_of_their_own_take_what_holds_for_any_marked_assumed():
    common = architectures()[ANY]
    assert architecture_named("abacus") == common
    kinds = {number.path: number.citation.kind for number in common.numbers}
    counted = {"direct_multiplies", "joined_channels", "block_bandwidth"}
    assert {kinds.pop(path) for path in counted} == {"derived"}
    assert set(kinds.values()) == {"assumed"}
    for name, found in architectures().items():
        assert found.partial_wave == 0.3, name
        assert {"partial_wave", "step_latency"} <= {number.path for number in found.numbers}
