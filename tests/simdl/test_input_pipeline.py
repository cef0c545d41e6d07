"""Input pipelines: closed forms of their stages, steps that wait for them, bounds, traces, and refusals."""

import json
from dataclasses import replace

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.errors import HardwareError
from hardware.profiles import load_cluster
from planner.bounds.estimate import estimate_bound
from planner.commands.plan import plan
from planner.commands.simulate import simulate as simulate_command
from planner.questions.question import Options, load_question
from simdl.errors import SimdlError
from simdl.inputs.reader import parse_inputs
from simdl.program.program import Lane
from simdl.report.chakra_trace import chakra_traces
from simdl.report.chrome_trace_hta import hta_traces
from simdl.step.lowering.inputs import stage_seconds
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.errors import WorkloadError
from workloads.input_pipeline import InputPipeline, InputStage
from workloads.registry import load_network

FORMS = st.text(max_size=20) | st.from_regex(r"(dali|pytorch-workers)(:[0-9]{1,3})?(,[a-z]*=[0-9a-z/]*)*")
RESNET = load_network("resnet50")
NODE = load_cluster("dgx-a100:1")


def stages_of(text, network=RESNET, cluster=NODE):
    return {stage.name: stage for stage in parse_inputs(text, network, cluster).stages}


def with_stages(*seconds, scope="device"):
    """A small workload whose input pipeline has stages of so many [s] a sample."""
    names = ("read", "decode", "augment", "copy")
    stages = tuple(
        InputStage(name=name, seconds=each, servers=1.0, scope=scope)
        for name, each in zip(names, seconds, strict=False)
    )
    return replace(build_workload(), inputs=InputPipeline(name="made up", stages=stages))


def run(workload, strategy, **options):
    cluster = build_cluster(nodes=2, devices=4)
    return simulate(workload, cluster, strategy, stack=build_stack(), **options)


@pytest.mark.theory
def test_imagenet_through_storage_of_1_gb_a_second():
    read = stages_of("dali:4,storage=1GB/s")["read"]
    assert read.seconds == pytest.approx(150e9 / 1_281_167 / 1e9)
    assert read.scope == "node"
    assert "read" not in stages_of("dali:4,storage=memory")
    assert "read" not in stages_of("dali:4")  # 150 GB stay in the memory of the host


@pytest.mark.theory
def test_workers_share_their_time_between_decoding_and_augmentation():
    stages = stages_of("pytorch-workers:8")
    strategy = Strategy(dp=8, micro_batch=64)
    workload = replace(
        load_question(Options(model="resnet50", cluster="dgx-a100:1", global_batch=512)).workload,
        inputs=parse_inputs("pytorch-workers:8", RESNET, NODE),
    )
    seconds = stage_seconds(workload, strategy, NODE)
    assert seconds["decode"] == pytest.approx(seconds["augment"])
    assert seconds["decode"] == pytest.approx(512 * 6.9e-3 / 64, rel=1e-4)
    assert stages["decode"].servers + stages["augment"].servers == pytest.approx(64)
    assert seconds["copy"] == pytest.approx(64 * 2 * stages["copy"].seconds)  # two devices share a link


@pytest.mark.theory
def test_cores_limit_workers_and_engines_decode_faster():
    few = stages_of("pytorch-workers:16,cores=32")
    assert few["decode"].servers + few["augment"].servers == pytest.approx(32)
    profile = stages_of("pytorch-workers:64")  # 128 cores of a DGX A100
    assert profile["decode"].servers + profile["augment"].servers == pytest.approx(128)
    volta = stages_of("dali:4", cluster=load_cluster("dgx-1-v100:1"))
    assert volta["decode"].seconds > stages_of("dali:4")["decode"].seconds
    assert volta["decode"].footprint > stages_of("dali:4")["decode"].footprint


@pytest.mark.theory
def test_a_rate_of_ones_own_takes_the_place_of_the_loaders_seconds():
    stages = stages_of("pytorch-workers:2,rate=100")
    assert "augment" not in stages
    assert stages["decode"].seconds == pytest.approx(0.01)


@pytest.mark.theory
def test_tokens_and_raw_pixels_are_not_decoded():
    tokens = stages_of("pytorch-workers:2,dataset=llama-3", load_network("gpt2"))
    assert set(tokens) == {"read", "copy"}  # 62 TB are not held in memory
    assert tokens["read"].seconds == pytest.approx(4 * 1024 / (2e12 / 3000))
    assert set(stages_of("pytorch-workers:2", load_network("gpt2"))) == {"copy"}
    raw = stages_of("pytorch-workers:2,dataset=mnist", load_network("lenet5"))
    assert "decode" not in raw
    assert raw["augment"].seconds < 0.01 * stages_of("pytorch-workers:2")["augment"].seconds


@pytest.mark.property
@settings(max_examples=25)
@given(
    seconds=st.lists(st.floats(1e-7, 0.1), min_size=1, max_size=4),
    degrees=st.sampled_from([(8, 1, 1), (4, 2, 1), (2, 2, 2), (4, 1, 2)]),
    scope=st.sampled_from(["node", "device"]),
)
def test_a_step_takes_as_long_as_the_slowest_of_training_and_stages(seconds, degrees, scope):
    dp, tp, pp = degrees
    strategy = Strategy(dp=dp, tp=tp, pp=pp, micro_batch=1)
    workload = with_stages(*seconds, scope=scope)
    alone = run(replace(workload, inputs=None), strategy).report
    found = run(workload, strategy).report
    slowest = max(stage_seconds(workload, strategy, build_cluster(nodes=2, devices=4)).values())
    assert found.step_time == pytest.approx(max(alone.step_time, slowest))
    assert sum(found.breakdown.values()) == pytest.approx(found.step_time)
    assert found.breakdown.get("input", 0.0) == pytest.approx(
        max(0.0, slowest - alone.step_time), abs=1e-9 * found.step_time
    )
    assert found.breakdown["forward"] == pytest.approx(alone.breakdown["forward"])
    assert found.communication == alone.communication


@pytest.mark.property
@settings(max_examples=15)
@given(seconds=st.floats(1e-6, 0.1), degrees=st.sampled_from([(8, 1, 1), (2, 2, 2), (1, 1, 8)]))
def test_bounds_know_the_slowest_stage_and_stay_below_the_step(seconds, degrees):
    dp, tp, pp = degrees
    strategy, workload = Strategy(dp=dp, tp=tp, pp=pp), with_stages(seconds)
    network = build_network(layers=8)
    workload = replace(workload, network=network)
    cluster = build_cluster(nodes=2, devices=4)
    bound = estimate_bound(strategy, workload, price(workload, cluster, stack=build_stack()))
    step = run(workload, strategy).report.step_time
    assert stage_seconds(workload, strategy, cluster)["read"] <= bound * (1 + 1e-9)
    assert bound <= step * (1 + 1e-9)


def test_every_rank_simulated_gives_the_same_step():
    workload, strategy = with_stages(1e-3, 1e-2), Strategy(dp=2, tp=2, pp=2)
    folded, unfolded = run(workload, strategy).report, run(workload, strategy, unfolded=True).report
    assert unfolded.step_time == pytest.approx(folded.step_time)
    assert unfolded.breakdown["input"] == pytest.approx(folded.breakdown["input"])


def test_passes_wait_for_their_copies_where_steps_follow_without_a_flush():
    strategy = Strategy(dp=4, pp=2, schedule="pipedream")
    alone = run(replace(with_stages(1e-3), inputs=None), strategy).report
    slow = run(with_stages(0.05, 0.2), strategy)
    most = stage_seconds(with_stages(0.05, 0.2), strategy, build_cluster(nodes=2, devices=4))["decode"]
    assert slow.report.step_time == pytest.approx(most, rel=0.02)
    fast = run(with_stages(1e-9, 1e-9), strategy).report
    assert fast.step_time == pytest.approx(alone.step_time, rel=1e-3)


def test_kernels_that_decode_take_their_footprint_of_the_device():
    free, taking = (
        replace(
            build_workload(),
            inputs=InputPipeline(
                name="made up",
                stages=(
                    InputStage(name="decode", seconds=1e-4, servers=1.0, scope="device", footprint=share),
                ),
            ),
        )
        for share in (0.0, 0.5)
    )
    strategy = Strategy(dp=8)
    assert run(taking, strategy).report.step_time > run(free, strategy).report.step_time


def test_stages_are_lanes_of_the_timeline_and_of_traces():
    timeline = run(with_stages(1e-3, 1e-3), Strategy(dp=4, pp=2)).timeline
    lanes = [(stream.rank, stream.name) for stream in timeline.program.streams]
    assert lanes[-2:] == [(0, Lane.READ), (0, Lane.DECODE)]
    names = {event["name"] for event in hta_traces(timeline, steps=1)[0]["traceEvents"]}
    assert {"read samples", "decode samples"} <= names  # no messages of NCCL
    assert chakra_traces(timeline)
    without = run(build_workload(), Strategy(dp=4, pp=2)).timeline
    assert len(without.program.streams) == len(lanes) - 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tfdata:4", "found 'tfdata:4'; expected pytorch-workers:N or dali:N"),
        ("dali:0", "found 0 in 'dali:0'; expected 1"),
        ("dali:4,storage", "found 'storage' in"),
        ("dali:4,storage=fast", "'fast' is not a quantity"),
        ("dali:4,storage=0B/s", "expected above 0"),
        ("dali:4,rate=nan", "found rate=nan"),
        ("dali:4,cores=0", "found cores=0"),
        ("dali:4,cores=4,cores=5", "found 'cores=5'"),
        ("dali:4,dataset=imagnet", "unknown data set 'imagnet'"),
        ("dali:4,dataset=gpt3", "holds tokens"),
    ],
)
def test_what_no_pipeline_is_is_one_message(text, message):
    with pytest.raises((SimdlError, WorkloadError, HardwareError), match=r".") as refused:
        parse_inputs(text, RESNET, NODE)
    assert message in str(refused.value)


def test_devices_and_clusters_that_cannot_have_one():
    with pytest.raises(SimdlError, match=r"expected one of NVIDIA"):
        parse_inputs("dali:4", RESNET, load_cluster("tpu-v3-slice:1"))
    with pytest.raises(SimdlError, match=r"expected nodes of one type"):
        load_question(
            Options(model="resnet50", cluster="dgx-a100:1,dgx-h100:1", input_pipeline="pytorch-workers:4")
        )


@pytest.mark.property
@given(text=FORMS)
def test_any_text_is_a_pipeline_or_refused(text):
    try:
        found = parse_inputs(text, RESNET, NODE)
    except (SimdlError, WorkloadError, HardwareError) as refused:
        found = str(refused)
    assert found


def test_the_answer_says_whether_it_binds():
    question = ("resnet50", "--cluster", "dgx-a100:1", "--micro-batch", "64", "--global-batch", "512")
    done = CliRunner().invoke(simulate_command, [*question, "--input-pipeline", "dali:4,storage=100MB/s"])
    assert done.exit_code == 0, done.output
    assert "its input pipeline binds (read)" in done.output
    assert "input pipeline: binds (read): at most 854" in done.output
    done = CliRunner().invoke(simulate_command, [*question, "--input-pipeline", "dali:4"])
    assert "input pipeline: does not bind" in done.output
    arguments = ("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "16", "--top", "3", "--json")
    data = CliRunner().invoke(plan, [*arguments, "--input-pipeline", "pytorch-workers:2,rate=1"])
    found = json.loads(data.stdout)
    assert found["plans"][0]["input_pipeline"]["binds"] == ["decode"]
    assert found["question"]["input_pipeline"] == "pytorch-workers:2,rate=1"
    assert found["certified"] is True
    assert found["plans"][0]["step_time"] == pytest.approx(16 / 16)
    waiting = [each["breakdown"]["input"] for each in found["plans"]]  # all take as long: most to spare first
    assert waiting == sorted(waiting, reverse=True)
