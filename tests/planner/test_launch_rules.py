"""What frameworks insist on: the rules of their sources at the commits that the formats name."""

import json
import re
from dataclasses import fields, replace

import pytest

from planner.launch.job import Context, Job, LaunchError
from planner.launch.registry import FORMATS
from planner.questions.question import Options, load_question
from planner.questions.strategy_file import build_strategy
from simdl.step.strategy import Recompute, Strategy

DENSE = load_question(Options(model="llama3-8b", cluster="dgx-a100:2", global_batch=64))
DEEP = load_question(Options(model="llama3.1-405b", cluster="dgx-h100:64", global_batch=512))
CONTEXT = Context(devices=16, devices_per_node=8, layers=32, before=1, behind=1)
KEYS = {field.name for field in fields(Strategy)}
EXPERTS = load_question(Options(model="mixtral-8x7b", cluster="dgx-a100:2", global_batch=64))


def launch(name, strategy, question=DENSE):
    return FORMATS[name].write(Job(question=question, strategy=strategy))


def text(name, strategy, question=DENSE):
    return next(iter(launch(name, strategy, question).files.values()))


def arguments(written, group):
    """Arguments of one list of a script, by name."""
    rows = re.search(rf"^{group}=\((.*?)^\)", written, re.DOTALL | re.MULTILINE)[1].splitlines()[1:]
    words = [row.split("#")[0].split() for row in rows]
    return {name: rest[0] if rest else True for name, *rest in words}


def test_megatron_has_the_arguments_that_it_requires():
    model = arguments(text("megatron", Strategy(dp=4, tp=4)), "MODEL")
    said = model | arguments(text("megatron", Strategy(dp=4, tp=4)), "ARGUMENTS")
    for name in ("num-layers", "hidden-size", "num-attention-heads", "max-position-embeddings"):
        assert f"--{name}" in said


@pytest.mark.parametrize(
    ("strategy", "question", "needed"),
    [
        (Strategy(dp=16), DENSE, False),
        (Strategy(dp=4, tp=4), DENSE, True),
        (Strategy(dp=8, cp=2, zero=1), DENSE, True),
        (Strategy(dp=8, tp=2, zero=3), DENSE, False),  # Megatron-FSDP forbids it
    ],
)
def test_megatron_gets_the_connections_that_it_asserts(strategy, question, needed):
    found = launch("megatron", strategy, question)
    assert ("CUDA_DEVICE_MAX_CONNECTIONS=1 torchrun" in found.line) == needed


def test_megatron_fsdp_gets_its_format_of_checkpoints():
    for name, setting in (
        ("megatron", "--ckpt-format fsdp_dtensor"),
        ("megatron-bridge", "checkpoint.ckpt_format=fsdp_dtensor"),
    ):
        assert setting in text(name, Strategy(dp=16, zero=3))
        assert setting not in text(name, Strategy(dp=16, zero=1))


@pytest.mark.parametrize("virtual", [1, 2])
def test_layers_that_stages_do_not_divide_are_cut_as_simulated(virtual):
    schedule = "interleaved-1f1b" if virtual > 1 else "1f1b"
    strategy = Strategy(
        dp=4 * virtual,
        tp=8,
        pp=16 // virtual,
        zero=1,
        sequence_parallel=True,
        schedule=schedule,
        virtual_stages=virtual,
    )
    context = Context(devices=512, devices_per_node=8, layers=126, before=1, behind=1)
    for name in ("megatron", "megatron-bridge"):
        found = launch(name, strategy, DEEP)
        assert {"stages"} == {each.key for each in found.lost}
        written = next(iter(found.files.values()))
        said = build_strategy(FORMATS[name].read(written, context).strategy, DEEP.cluster)
        assert replace(said, stages=()) == strategy
        assert sum(said.stages) == 128
        assert not ("layout" in written and "--num-virtual-stages" in written)
    with pytest.raises(LaunchError, match="16 stages for 126 layers; MaxText divides them evenly"):
        launch("maxtext", strategy, DEEP)


@pytest.mark.parametrize("name", ["torchtitan", "nemo-automodel"])
def test_stages_hold_all_layers(name):
    whole = Strategy(dp=8, tp=8, pp=8, schedule="interleaved-1f1b", virtual_stages=2, zero=3)
    context = Context(devices=512, devices_per_node=8, layers=126, before=1, behind=1)
    said = FORMATS[name].read(text(name, whole, DEEP), context).strategy
    assert said["virtual_stages"] == 2
    with pytest.raises(LaunchError, match="virtual_stages: found 5 with pp 8"):
        launch(name, replace(whole, virtual_stages=5), DEEP)
    unsaid = re.sub(r".*layers_per_stage.*\n", "", text(name, whole, DEEP))
    assert FORMATS[name].read(unsaid, context).strategy["virtual_stages"] == 2  # what both take by default


@pytest.mark.parametrize("name", ["megatron", "megatron-bridge"])
def test_experts_with_tensor_parallelism_need_sequence_parallelism(name):
    strategy = Strategy(dp=8, tp=2, ep=4, zero=1)
    with pytest.raises(LaunchError, match="sequence_parallel: found off with tp 2"):
        launch(name, strategy, EXPERTS)
    assert launch(name, replace(strategy, sequence_parallel=True), EXPERTS).line


def test_deepspeed_does_not_combine_experts_and_tensors_under_zero_3():
    strategy = Strategy(dp=8, tp=2, ep=4, zero=3)
    with pytest.raises(LaunchError, match="tp: found 2 with ep 4 and zero 3"):
        launch("deepspeed", strategy, EXPERTS)
    assert json.loads(text("deepspeed", replace(strategy, zero=2), EXPERTS))["expert_parallel"]["enabled"]


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if each.read is not None])
@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(dp=16, schedule="gpipe"),
        Strategy(tp=8, pp=2, zero=1, shard_degree=1, sequence_parallel=True),
        Strategy(tp=8, pp=2),
    ],
)
def test_what_means_nothing_is_told_and_read_back_as_nothing(name, strategy):
    found = launch(name, strategy)
    read = FORMATS[name].read(next(iter(found.files.values())), CONTEXT)
    said = build_strategy(read.strategy, DENSE.cluster)
    unlike = {key for key in KEYS if getattr(said, key) != getattr(strategy, key)}
    assert unlike == {each.key for each in found.lost} & KEYS


@pytest.mark.parametrize(
    ("name", "before", "after", "told"),
    [
        ("megatron-bridge", "model.seq_length=8192", 'model.seq_length="', "expected a whole number"),
        ("torchtitan", "64 * 8192", "1e309 * 8192", "expected a whole number"),
        ("torchtitan", "= 1 * 8192", "= [1] * 8192", "expected a whole number"),
    ],
)
def test_files_made_wrong_are_refused_in_words(name, before, after, told):
    written = text(name, Strategy(dp=16, zero=3))
    assert before in written
    with pytest.raises(LaunchError, match=told):
        FORMATS[name].read(written.replace(before, after), CONTEXT)


class TestAccelerate:
    def test_replicas_that_keep_everything_are_of_torch(self):
        found = launch("accelerate", Strategy(dp=16, recompute=Recompute.FULL))
        assert "distributed_type: MULTI_GPU" in found.files["accelerate.yaml"]
        assert "fsdp_config" not in found.files["accelerate.yaml"]
        assert "recompute" in {each.key for each in found.lost}

    @pytest.mark.parametrize("strategy", [Strategy(dp=8, tp=2), Strategy(dp=4, cp=4, zero=3, shard_degree=4)])
    def test_tensors_are_joined_to_sharded_replicas_only(self, strategy):
        with pytest.raises(LaunchError, match="joins these only to replicas that are sharded"):
            launch("accelerate", strategy)

    def test_shards_over_context_are_told(self):
        found = launch("accelerate", Strategy(dp=1, cp=16, zero=3, shard_degree=4))
        assert "shard_degree" in {each.key for each in found.lost}


class TestAutomodel:
    def test_replicas_that_keep_everything_are_of_torch(self):
        written = text("nemo-automodel", Strategy(dp=16))
        assert "strategy: ddp" in written
        assert "dp_replicate_size" not in written

    @pytest.mark.parametrize("strategy", [Strategy(dp=8, tp=2), Strategy(dp=4, cp=4, zero=3, shard_degree=4)])
    def test_copies_are_fewer_than_data_parallel_ranks(self, strategy):
        found = launch("nemo-automodel", strategy)
        assert "dp_replicate_size" not in found.files["automodel.yaml"]
        assert {each.key for each in found.lost} & {"zero", "shard_degree"}

    def test_a_recipe_is_named(self):
        assert "recipe: TrainFinetuneRecipeForNextTokenPrediction" in text("nemo-automodel", Strategy(dp=16))


@pytest.mark.parametrize("name", ["megatron", "megatron-bridge"])
@pytest.mark.parametrize("precision", ["bf16", "fp8", "fp8-tensorwise", "mxfp8"])
def test_scaling_of_eight_bits_is_written_and_read_back(name, precision):
    options = Options(model="llama3-8b", cluster="dgx-b200:2", global_batch=64, precision=precision)
    written = launch(name, Strategy(dp=4, tp=4), load_question(options))
    assert not any(each.key == "precision" for each in written.lost)
    found = FORMATS[name].read(next(iter(written.files.values())), CONTEXT)
    assert found.question["precision"] == precision


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("megatron", "--bf16 --fp8-format e4m3 --fp8-recipe blockwise", r"--fp8-recipe: found 'blockwise'"),
        ("megatron-bridge", "mixed_precision=nanov2_bf16_with_fp8_current_scaling_mixed", "found 'nanov2_"),
    ],
)
def test_scaling_that_is_not_modelled_is_refused(name, said, message):
    with pytest.raises(LaunchError, match=message):
        FORMATS[name].read(said, CONTEXT)


def test_four_bits_and_hyphens_are_read():
    assert FORMATS["megatron"].read("--bf16 --fp4-format e2m1", CONTEXT).question["precision"] == "nvfp4"
    assert (
        FORMATS["megatron-bridge"].read("mixed_precision=bf16-mixed", CONTEXT).question["precision"] == "bf16"
    )
