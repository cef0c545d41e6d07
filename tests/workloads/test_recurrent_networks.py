"""Recurrent networks: published parameters, arithmetic by formula, and steps that wait for each other."""

import csv
import statistics
from math import log

import pytest
from bounded import bounded_report
from builders import build_cluster, build_device, build_stack

from hardware.architecture import architecture_named
from hardware.profiles import load_device
from simdl.kernels.cost_model import ConstantCostModel, estimate_kernel_time
from simdl.kernels.costs.recurrence import one_step
from simdl.kernels.kernel import Kernel, Product, Recurrence
from simdl.kernels.pricing import priced
from simdl.kernels.sharding import Shard, block_kernels
from simdl.memory.activations import layer_saved_bytes
from simdl.software.reader import load_stack
from simdl.step.simulate import price
from simdl.step.strategy import Strategy
from validation.published.tables import published_folder
from workloads.dtypes import load_precision
from workloads.errors import NetworkError
from workloads.layers.recurrent import GATES, Cell, recurrent
from workloads.network import Block
from workloads.operators import OperatorKind, Pass
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload
from workloads.zoo.recurrent import build_gnmt


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "millions", "tolerance"),
    [
        ("lstm-ptb-large", 66, 0.01),  # Zaremba et al. 2014, as counted by Press and Wolf 2016, table 3
        ("lstm-ptb-medium", 20, 0.02),
        ("seq2seq-lstm", 384, 0.001),  # Sutskever et al. 2014, section 3.4
        ("gnmt", 160, 0.01),  # MLPerf training results, RNN translation
    ],
)
def test_parameters_are_the_published_ones(name, millions, tolerance):
    assert load_network(name).parameters == pytest.approx(millions * 1e6, rel=tolerance)


@pytest.mark.published
def test_recurrent_weights_of_the_first_translator_are_64_million():
    """Sutskever et al. 2014, arXiv:1409.3215, section 3.4: 64M are pure recurrent connections."""
    network = load_network("seq2seq-lstm")
    cells = sum(layer.parameters for _, layer in network.layers() if layer.kind == "recurrent")
    assert cells == 64_000_000


@pytest.mark.theory
@pytest.mark.parametrize("kind", sorted(GATES))
@pytest.mark.parametrize("directions", [1, 2])
def test_flops_and_parameters_of_a_cell(kind, directions):
    cell = Cell(kind=kind, steps=7, inputs=24, hidden=16, directions=directions)
    layer = recurrent("cell", "input", cell)
    gates = GATES[kind]
    assert layer.parameters == directions * gates * 16 * (24 + 16 + 2)
    products = [
        sum(o.flops for o in layer.operators(which) if o.kind is OperatorKind.MATMUL) for which in Pass
    ]
    each = 2 * directions * gates * 16
    # no gradient of the state before the first step
    assert products == [each * 7 * (24 + 16), each * (7 * 24 + 6 * 16), each * 7 * (24 + 16)]


@pytest.mark.theory
def test_a_layer_takes_its_steps_times_the_latency_of_two_kernels():
    cell = Cell(kind="lstm", steps=40, inputs=8, hidden=8)
    block = Block(name="lstm", layers=(recurrent("lstm", "input", cell),))
    stack, precision = build_stack(), load_precision("fp32")
    kernels = block_kernels(block, Pass.FORWARD, shard=Shard(micro_batch=1), precision=precision, stack=stack)
    device = build_device()
    steps = [kernel for kernel in kernels if isinstance(kernel.shape, Recurrence)]
    assert [kernel.name for kernel in steps] == ["lstm step product", "lstm gates"]
    waits = architecture_named(device.generation).step_latency
    least = 40 * (device.matmul.latency + device.memory.latency + waits)
    found = sum(estimate_kernel_time(kernel, device) for kernel in steps)
    assert least < found < 1.2 * least


@pytest.mark.theory
def test_twice_the_steps_take_twice_as_long_and_twice_the_batch_hardly_longer():
    def seconds(tokens, batch):
        network = load_network("lstm-ptb-medium", tokens=tokens)
        work = Workload(
            network=network,
            optimizer=load_optimizer("sgd"),
            precision=load_precision("fp32"),
            global_batch=batch,
        )
        prices = price(work, build_cluster(1), stack=build_stack())
        block = network.blocks[1]
        kernels = block_kernels(
            block,
            Pass.FORWARD,
            shard=Shard(micro_batch=batch),
            precision=prices.precision,
            stack=prices.stack,
        )
        return priced(prices, kernels).device

    assert seconds(200, 4) == pytest.approx(2 * seconds(100, 4), rel=0.05)
    assert seconds(100, 8) < 1.1 * seconds(100, 4)


@pytest.mark.theory
def test_weights_that_fit_in_the_cache_are_read_once():
    device = build_device()  # a cache of 32 MB
    for hidden, reads in ((1024, 1), (2048, 100)):
        weights = 4 * hidden * 4 * hidden
        shape = Recurrence(100, Product(1, 4 * hidden, hidden))
        whole = Kernel("step product", OperatorKind.MATMUL, 0.0, 100.0 * weights, "fp32", shape)
        assert one_step(whole, shape, device).nbytes * 100 == pytest.approx(reads * weights)


@pytest.mark.published
@pytest.mark.parametrize(
    ("sheet", "device", "dtype"),
    [
        ("NV_V100", "v100-sxm2-16gb", "fp32"),
        ("NV_V100", "v100-sxm2-16gb", "fp16"),
        ("NV_M40", "m40", "fp32"),
        ("NV_TitanX", "titan-x-maxwell", "fp32"),
    ],
)
def test_recurrent_kernels_of_deepbench(sheet, device, dtype):
    """Mean log error of LSTM, GRU and plain layers over several steps: at most a quarter.

    On Maxwell 0.27: its libraries' tiles of 64 and more rows, read off kernel names, take as long for 32 rows
    as for 64 by the model, and less in these layers.
    """
    errors = []
    profile, size = load_device(device), 2 if dtype == "fp16" else 4
    with (published_folder() / "cnn" / "deepbench_rnn.csv").open() as file:
        for row in csv.DictReader(file):
            half = row["precision_note"].startswith("16 bit")
            steps = int(row["timesteps"])
            if row["device"] != sheet or half != (dtype == "fp16") or steps == 1:
                continue
            hidden, batch = int(row["hidden"]), int(row["batch_N"])
            width = {"LSTM": 4, "GRU": 3, "Vanilla": 1}[row["cell"]] * hidden
            product = Product(batch, width, hidden)
            moved = size * steps * (batch * (width + hidden) + width * hidden)
            flops = 2.0 * batch * width * hidden * steps
            walk = Kernel("step", OperatorKind.MATMUL, flops, moved, dtype, Recurrence(steps, product))
            traffic = size * steps * batch * (2 * width + 3 * hidden)
            gates = Kernel("gates", OperatorKind.ELEMENTWISE, 0.0, traffic, dtype, Recurrence(steps))
            found = estimate_kernel_time(walk, profile) + estimate_kernel_time(gates, profile)
            errors.append(log(found / (float(row["fwd_ms"]) * 1e-3)))
    assert len(errors) > 50
    assert statistics.mean(map(abs, errors)) < (0.27 if profile.generation == "maxwell" else 0.25)


@pytest.mark.property
@pytest.mark.parametrize("name", ["gnmt", "lstm-ptb-medium", "bilstm-tagger", "seq2seq-lstm"])
@pytest.mark.parametrize(
    "strategy", [Strategy(dp=8), Strategy(dp=4, pp=2, micro_batch=2), Strategy(dp=8, zero=3)]
)
def test_no_step_is_shorter_than_its_bound(name, strategy):
    work = Workload(
        network=load_network(name),
        optimizer=load_optimizer("adam"),
        precision=load_precision("bf16"),
        global_batch=64,
    )
    report = bounded_report(work, strategy, "pytorch-eager")
    assert sum(report.breakdown.values()) == pytest.approx(report.step_time)


@pytest.mark.theory
def test_constant_prices_know_no_steps():
    model = ConstantCostModel(seconds_per_flop=1.0)
    kernel = Kernel("step", OperatorKind.MATMUL, 12.0, 0.0, "fp32", Recurrence(3, Product(1, 2, 1)))
    assert model.kernel_time(kernel) == 12.0


def test_gnmt_needs_three_layers():
    with pytest.raises(NetworkError, match="layers: found 2; expected at least 3"):
        build_gnmt(layers=2)


@pytest.mark.published
@pytest.mark.parametrize(
    ("steps", "samples", "inputs", "hidden", "nbytes"),
    [
        (32, 32, 128, 128, 8_093_696),
        (64, 32, 128, 128, 16_023_552),
        (32, 32, 512, 128, 18_231_296),
        (16, 4, 650, 650, 2_629_632),
    ],
)
def test_onednn_keeps_a_workspace_of_an_lstm(steps, samples, inputs, hidden, nbytes):
    """Bytes of the last output of ``torch.ops.aten.mkldnn_rnn_layer`` of PyTorch 2.13."""
    layer = recurrent("lstm", "input", Cell(kind="lstm", steps=steps, inputs=inputs, hidden=hidden))
    kept = {tensor.name: 4 * samples * tensor.elements for tensor in layer.saved}
    assert kept["workspace"] == pytest.approx(nbytes, rel=0.03)  # rows are padded
    work = Workload(
        network=load_network("lstm-ptb-medium"),
        optimizer=load_optimizer("sgd"),
        precision=load_precision("fp32"),
        global_batch=samples,
    )
    saved = {
        name: samples
        * layer_saved_bytes(layer, price(work, build_cluster(1), stack=load_stack(name)), Shard())
        for name in ("pytorch-cpu", "pytorch-eager")
    }
    assert saved["pytorch-cpu"] == kept["input"] + kept["workspace"]
    assert saved["pytorch-eager"] == kept["input"] + kept["gates"] + kept["states"]
