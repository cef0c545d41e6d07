"""Use of a network: forward passes, answers, memory and energy."""

from dataclasses import replace

import pytest

from hardware.errors import HardwareError
from hardware.operation_energy import operation_energy
from hardware.profiles import load_cluster, load_device
from simdl.errors import SimdlError, StrategyError
from simdl.inference.forward import forward_seconds
from simdl.inference.generation import cache_bytes, generates, met_experts
from simdl.inference.simulate import simulate_inference
from simdl.software.reader import load_stack
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.linear import linear
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.transforms.operator_fusion import Fuse
from workloads.transforms.weights import Prune, Quantize
from workloads.workload import Workload


def _use(network, cluster="dgx-a100:1gpu", *, batch=1, precision="fp16", stack="pytorch-ngc", **more):
    workload = Workload(
        network=network,
        optimizer=load_optimizer("momentum"),
        precision=load_precision(precision),
        global_batch=batch,
    )
    strategy = more.pop("strategy", Strategy())
    return simulate_inference(workload, load_cluster(cluster), strategy, stack=load_stack(stack), **more)


def _perceptron(inputs, outputs):
    draft = Draft((inputs, 1, 1))
    draft.add(linear, "fc", out_features=outputs, bias=False)
    return build_image_network("perceptron", draft.blocks(), source="test")


def _answer(name, *, prompt=256, generated=32, **more):
    token = load_network(name, tokens=1)
    more = {"stack": "serving", "precision": "bf16", **more}
    return _use(load_network(name, tokens=prompt), token=token, generated=generated, **more)


@pytest.mark.published
def test_a_billion_weights_read_twenty_times_a_second_take_12_8_watts():
    """Han et al. 2015, arXiv:1506.02626, section 1."""
    report = _use(_perceptron(20_000, 50_000), "phone", precision="fp32", stack="mobile")
    assert 20 * report.read.energy["dram"] == pytest.approx(12.8, rel=1e-3)
    assert report.joules > report.read.energy["dram"]


@pytest.mark.published
def test_energies_of_45_nm():
    """Han et al. 2015, arXiv:1506.02626, table 1, 32 bit."""
    known = operation_energy("45nm")
    picojoules = (
        known.integer_add,
        known.float_add,
        known.register,
        known.integer_multiply,
        known.float_multiply,
        known.sram,
        known.dram,
    )
    assert picojoules == pytest.approx([each * 1e-12 for each in (0.1, 0.9, 1, 3.1, 3.7, 5, 640)])


@pytest.mark.theory
def test_weights_that_fit_on_chip_are_not_read_from_dram():
    small = _use(_perceptron(100, 100), "phone", precision="fp32", stack="mobile")
    assert small.read.energy["dram"] == 0
    narrow = Quantize(weight_bits=8).apply(_perceptron(20_000, 5_000))
    wide = _use(_perceptron(20_000, 5_000), "phone", precision="fp32", stack="mobile")
    read = _use(narrow, "phone", precision="fp32", stack="mobile")
    assert wide.read.energy["dram"] == pytest.approx(4 * read.read.energy["dram"])


def test_latency_is_that_of_the_pass_and_its_causes_add_up():
    network = load_network("resnet18")
    report = _use(network, batch=8)
    workload = Workload(
        network=network,
        optimizer=load_optimizer("momentum"),
        precision=load_precision("fp16"),
        global_batch=8,
    )
    alone = forward_seconds(workload, load_cluster("dgx-a100:1gpu"), stack=load_stack("pytorch-ngc"))
    assert report.latency == alone
    assert sum(report.read.breakdown.values()) == pytest.approx(report.latency)
    assert sum(use.seconds for use in report.read.layers) == pytest.approx(report.read.breakdown["forward"])
    assert report.samples_per_s == pytest.approx(8 / report.latency)
    power = load_device("a100-sxm-80gb").power
    assert 0 < report.joules * 8 / report.latency < power


def test_larger_batches_are_more_efficient_and_replicas_multiply():
    network = load_network("resnet18")
    one, many = _use(network), _use(network, batch=64)
    assert many.samples_per_s > 5 * one.samples_per_s
    assert many.joules < one.joules
    eight = _use(network, "dgx-a100:1", batch=512, strategy=Strategy(dp=8))
    assert eight.samples_per_s == pytest.approx(8 * many.samples_per_s)
    assert eight.joules == pytest.approx(many.joules)
    assert eight.devices == 8


@pytest.mark.theory
@pytest.mark.parametrize(
    ("name", "elements"),
    [
        ("llama3-8b", 32 * 2 * 8 * 128),  # 8 of 32 heads are of keys and values
        ("llama2-7b", 32 * 2 * 32 * 128),
        ("deepseek-v2-lite", 27 * (512 + 64)),  # latent vector and shared rotary key
    ],
)
def test_cache_of_a_token(name, elements):
    network = load_network(name, tokens=64)
    assert cache_bytes(network, tokens=10, tp=1, element=2) == 2 * 10 * elements


@pytest.mark.theory
def test_few_tokens_meet_few_experts():
    assert met_experts(8, 2, 1) == 2
    assert met_experts(8, 2, 2) == pytest.approx(3.5)
    assert met_experts(256, 8, 10_000) == pytest.approx(256)


@pytest.mark.theory
def test_a_token_reads_weights_and_cache_once():
    short, long = (_answer("llama3-8b", prompt=tokens, generated=1) for tokens in (1024, 8192))
    moved = [sum(use.nbytes for use in each.generation.first.layers) for each in (short, long)]
    keys = (8192 - 1024) * 32 * 2 * 8 * 128 * 2
    assert moved[1] - moved[0] == pytest.approx(keys, rel=1e-6)
    weights = sum(use.weight_bytes for use in short.generation.first.layers)
    embedding = 128_256 * 4096 * 2
    assert weights == pytest.approx(2 * load_network("llama3-8b").parameters - embedding, rel=1e-3)
    device = load_device("a100-sxm-80gb")
    assert weights / device.memory_bandwidth < short.generation.first.latency


def test_an_answer_is_its_prompt_and_its_tokens():
    report = _answer("llama3-8b", prompt=256, generated=33, batch=4)
    generation = report.generation
    assert report.latency == pytest.approx(report.read.latency + generation.latency)
    assert 33 * generation.first.latency < generation.latency < 33 * generation.last.latency
    assert report.memory["cache"] == 4 * (256 + 33) * 32 * 2 * 8 * 128 * 2
    assert report.joules > generation.joules / 4 > 0
    halves = _answer(
        "llama3-8b", prompt=256, generated=33, batch=4, cluster="dgx-a100:1", strategy=Strategy(tp=2)
    )
    assert halves.memory["parameters"] < 0.6 * report.memory["parameters"]
    assert halves.latency < report.latency


def test_latent_attention_decodes_from_narrow_vectors():
    report = _answer("deepseek-v2-lite", generated=4)
    assert report.generation.cache_per_token == 2 * 27 * 576
    experts = next(use for use in report.generation.last.layers if use.name.endswith("experts_up"))
    held = next(use for use in report.read.layers if use.name.endswith("experts_up"))
    assert experts.weight_bytes < held.weight_bytes / 4  # 6 of 64 experts


@pytest.mark.parametrize("name", ["bert-base", "resnet18", "t5-small"])
def test_only_decoders_write(name):
    assert not generates(load_network(name))
    with pytest.raises(SimdlError, match="writes no tokens one after another"):
        _use(load_network(name), generated=4)


def test_zeros_save_time_only_where_there_are_kernels():
    """With images enough that the device, and not the host that launches for it, bounds the pass."""
    network = load_network("vgg16")
    dense = _use(network, batch=32)
    assert "launch" not in dense.read.breakdown
    scattered = _use(Prune(layers=("fc*",), sparsity=0.9).apply(network), batch=32)
    assert scattered.latency == dense.latency
    assert scattered.memory["parameters"] == dense.memory["parameters"]
    assert any("zeros at any place" in text for text in scattered.warnings)
    pattern = Prune(layers=("fc*",), pattern="2:4").apply(network)
    sparse = _use(pattern, batch=32)
    assert sparse.latency < dense.latency
    assert sparse.memory["parameters"] < dense.memory["parameters"]
    with pytest.raises(
        SimdlError, match=r"layer fc6/fc6: 2:4 sparsity: device v100-sxm2-16gb has no kernels"
    ):
        _use(pattern, "dgx-1-v100:1gpu")


def test_narrow_tensors_take_fewer_bytes_and_faster_arithmetic_where_there_is_some():
    network = load_network("resnet18")
    narrow = Quantize(weight_bits=8, activation_bits=8).apply(network)
    wide, fast = (_use(each, batch=64) for each in (network, narrow))
    assert fast.read.breakdown["forward"] < 0.65 * wide.read.breakdown["forward"]
    assert fast.memory["parameters"] == pytest.approx(wide.memory["parameters"] / 2, rel=0.01)
    slow = _use(narrow, "p2-xlarge:1", precision="fp32")
    assert any("no int8 arithmetic" in text for text in slow.warnings)


def test_narrow_precisions_hold_narrow_weights():
    wide, narrow = (
        _answer("llama3-8b", generated=1, cluster="dgx-h100:1gpu", precision=name) for name in ("bf16", "fp8")
    )
    assert narrow.memory["parameters"] < 0.6 * wide.memory["parameters"]
    assert narrow.generation.latency < 0.7 * wide.generation.latency


def test_what_does_not_fit_says_what_is_missing():
    report = _answer("llama2-70b", generated=1)
    assert not report.feasible
    assert "short (needs" in report.reasons[0]


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (Strategy(pp=2), "pp: found 2 in use of a network"),
        (Strategy(dp=2), r"dp 2 x tp 1 = 2: dgx-a100:1gpus has 1; expected at most"),
        (Strategy(tp=3), "tp 3"),
    ],
)
def test_strategies_that_cannot_be_used(strategy, message):
    with pytest.raises(StrategyError, match=message):
        _use(load_network("resnet18"), strategy=strategy)


@pytest.mark.theory
def test_fused_attention_keeps_no_scores_in_any_software():
    network, cluster, stack = load_network("gpt2"), load_cluster("dgx-a100:1gpu"), load_stack("megatron-2021")
    fused = Fuse(groups=("attention",)).apply(network)
    steps = [
        simulate(
            Workload(
                network=each,
                optimizer=load_optimizer("adam"),
                precision=load_precision("fp16"),
                global_batch=4,
            ),
            cluster,
            Strategy(micro_batch=4),
            stack=stack,
        ).report
        for each in (network, fused)
    ]
    scores = 12 * 12 * 1024 * 1024 * 4  # blocks x heads x scores x samples
    saved = steps[0].memory["activations"] - steps[1].memory["activations"]
    assert saved == pytest.approx(
        scores * (2 + 2 + 1), rel=0.01
    )  # two fp16 tensors and a mask, less row sums
    assert steps[1].step_time < steps[0].step_time


def test_transformed_networks_train_as_dense_ones():
    network = load_network("resnet18")
    pruned = Prune(sparsity=0.5).apply(network)
    assert pruned.model_flops == network.model_flops
    assert any("training computes with dense weights" in note for note in pruned.notes)
    assert replace(pruned, notes=()).parameters == network.parameters


def test_a_device_of_integers_alone_uses_networks_of_integers():
    """A TPU v1 multiplies 8-bit integers and nothing else (Jouppi et al. 2017, section 2)."""
    network = _perceptron(256, 128)
    narrow = Quantize(weight_bits=8, activation_bits=8).apply(network)
    found = _use(narrow, "tpu-v1-node:1gpu", precision="fp32", stack="maxtext")
    assert found.feasible
    assert found.latency > 0
    with pytest.raises(HardwareError, match="no fp32 arithmetic; it offers int8"):
        _use(network, "tpu-v1-node:1gpu", precision="fp32", stack="maxtext")
