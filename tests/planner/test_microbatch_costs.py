"""What is optimised: passes of networks and layer lists, priced by the model or by a table."""

import pytest

from hardware.profiles import load_device
from planner.microbatch.configuration import Policy, micro_batch_sizes
from planner.microbatch.convolutions import network_convolutions, read_layer_list
from planner.microbatch.costs import modelled_rows, price_passes
from planner.microbatch.plan import Mode, plan_micro_batches
from simdl.errors import SimdlError
from simdl.kernels.convolution_table import ConvolutionRow
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.costs.convolution_launch import convolution_launches
from simdl.kernels.kernel import ConvolutionCall, Kernel
from workloads.dtypes import load_precision
from workloads.operators import OperatorKind, Pass
from workloads.profiles import MU_CUDNN_LAYERS as LISTS
from workloads.registry import load_network

DEVICE = load_device("v100-sxm2-16gb")
FP32 = load_precision("fp32")
HEADER = "list,layer_or_source,W,H,C_in,N,C_out,kernel_w,kernel_h,pad_w,pad_h,stride_w,stride_h\n"


@pytest.fixture(scope="module")
def alexnet():
    return network_convolutions(load_network("alexnet"))


def row(layer, *, which=Pass.FORWARD, algorithm="fft", batch=8, time=1e-6, device=DEVICE.name):
    return ConvolutionRow(
        device=device, layer=layer, which=which, algorithm=algorithm, batch=batch, time=time, workspace=10.0
    )


def priced(passes, *rows, sizes=(2, 8)):
    return {(part.layer, part.which): part for part in price_passes(passes, sizes, DEVICE, FP32, rows)}


class TestModel:
    def test_a_launch_costs_what_the_simulator_charges(self, alexnet):
        part = alexnet[0]
        nbytes = 4.0 * (32 * part.elements + part.weights)
        kernel = Kernel(
            "convolution",
            OperatorKind.CONVOLUTION,
            0.0,
            nbytes,
            "fp32",
            ConvolutionCall(part.shape, 32, part.which),
        )
        fastest = min(row.time for row in modelled_rows(part, [32], DEVICE, FP32) if row.workspace <= 2**32)
        assert fastest == pytest.approx(estimate_kernel_time(kernel, DEVICE))

    def test_repeated_blocks_share_their_options(self):
        passes = network_convolutions(load_network("resnet50"))
        found = priced(passes, sizes=(4,))
        repeated = [found[f"conv4_x.{index}/conv2", Pass.FORWARD].options for index in range(5)]
        assert all(options is repeated[0] for options in repeated)

    def test_a_network_without_convolutions_is_refused(self):
        with pytest.raises(SimdlError, match="gpt2: no convolution"):
            network_convolutions(load_network("gpt2"))


class TestTable:
    def test_a_measured_pass_replaces_the_model(self, alexnet):
        layer = alexnet[0].layer
        found = priced(alexnet, row(layer, batch=8, time=1e-9), row(layer, batch=3, time=1e-9))
        part = found[layer, Pass.FORWARD]
        assert part.measured
        assert [(each.size, each.algorithm, each.time) for each in part.options] == [(8, "fft", 1e-9)]
        others = [each for key, each in found.items() if key != (layer, Pass.FORWARD)]
        assert not any(each.measured for each in others)

    def test_a_repeated_block_is_measured_under_its_name_or_its_index(self):
        passes = network_convolutions(load_network("resnet50"))
        rows = row("conv4_x/conv2", time=2e-9), row("conv4_x.3/conv2", time=1e-9)
        found = priced(passes, *rows, sizes=(8,))
        times = [found[f"conv4_x.{index}/conv2", Pass.FORWARD].options[0].time for index in range(5)]
        assert times == [2e-9, 2e-9, 2e-9, 1e-9, 2e-9]

    def test_a_table_of_another_device_is_refused(self, alexnet):
        with pytest.raises(SimdlError, match="no row of device v100-sxm2-16gb; it holds p100-sxm"):
            priced(alexnet, row(alexnet[0].layer, device="p100-sxm"))

    def test_a_table_of_other_layers_is_refused(self, alexnet):
        with pytest.raises(SimdlError, match="no row of a layer of the model; it holds conv99"):
            priced(alexnet, row("conv99"))


class TestLayerLists:
    @pytest.mark.published
    def test_the_shipped_lists_hold_99_convolutions_of_256_images(self):
        """The layer lists are those of mu-cuDNN's benchmark, whose paper is arXiv:1804.06804; the file
        names the source of each.
        """
        listed = read_layer_list(LISTS)
        assert len({part.layer for part in listed.convolutions}) == 99
        assert len(listed.convolutions) == 99 * 3
        assert listed.batch == 256

    @pytest.mark.published
    def test_alexnet_has_its_published_maps(self):
        """Krizhevsky 2014, arXiv:1404.5997, the one-tower network of figure 1 as mu-cuDNN lists it."""
        listed = read_layer_list(LISTS, "alexnet")
        forward = [part.shape for part in listed.convolutions if part.which is Pass.FORWARD]
        assert [(s.in_channels, s.out_channels, s.out_height) for s in forward] == [
            (3, 64, 55),
            (64, 192, 27),
            (192, 384, 13),
            (384, 384, 13),
            (384, 256, 13),
        ]

    @pytest.mark.parametrize("mode", Mode)
    def test_the_shipped_lists_run(self, mode):
        listed = read_layer_list(LISTS)
        sizes = micro_batch_sizes(Policy.POWER_OF_TWO, listed.batch)
        passes = price_passes(listed.convolutions, sizes, load_device("p100-sxm"), FP32)
        found = plan_micro_batches(passes, batch=listed.batch, workspace=2**26, mode=mode)
        assert found.optimal
        assert found.gap == 0
        assert found.time < found.undivided_time

    def test_rows_of_different_batches_leave_the_batch_open(self, tmp_path):
        path = tmp_path / "layers.csv"
        path.write_text(HEADER + "a,one,8,8,3,16,4,3,3,1,1,1,1\na,two,8,8,3,32,4,3,3,1,1,1,1\n")
        assert read_layer_list(path).batch is None

    def test_an_unknown_list_names_the_known_ones(self):
        with pytest.raises(SimdlError, match="no list 'vgg'; it holds alexnet, deepbench"):
            read_layer_list(LISTS, "vgg")

    def test_a_missing_column_is_named(self, tmp_path):
        path = tmp_path / "layers.csv"
        path.write_text(HEADER.replace("stride_h", "stride") + "a,one,8,8,3,16,4,3,3,1,1,1,1\n")
        with pytest.raises(SimdlError, match=r"layers\.csv: no column stride_h"):
            read_layer_list(path)

    def test_faults_of_several_rows_are_reported_together(self, tmp_path):
        path = tmp_path / "layers.csv"
        path.write_text(HEADER + "a,one,8,8,0,16,4,3,3,1,1,1,1\na,two,8,8,3,16,4,11,11,0,0,1,1\n")
        with pytest.raises(SimdlError) as caught:
            read_layer_list(path)
        first, second = str(caught.value).splitlines()
        assert "line 2: column C_in: found '0'; expected a whole number of at least 1" in first
        assert "line 3: a/two: window (11, 11) on input (8, 8)" in second


@pytest.mark.parametrize("network", ["alexnet", "mobilenet-v2"])
def test_many_sizes_at_once_cost_what_each_costs(network):
    sizes = (1, 3, 8, 100)
    for part in dict.fromkeys(network_convolutions(load_network(network))):
        found = [(row.batch, row.algorithm, row.time) for row in modelled_rows(part, sizes, DEVICE, FP32)]
        expected = [
            (size, cost.algorithm, pytest.approx(cost.time, rel=1e-12))
            for size in sizes
            for cost in convolution_launches(
                ConvolutionCall(part.shape, size, part.which),
                DEVICE,
                FP32.matmul,
                size * part.elements * FP32.activation + part.weights * FP32.parameter,
            )
        ]
        assert found == expected
