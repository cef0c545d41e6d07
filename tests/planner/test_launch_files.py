"""Launch files: what each framework is told, what is warned of, and that files read back say the same."""

import ast
import json
import re
import tomllib
from dataclasses import fields, replace
from functools import cache
from itertools import product

import pytest
from click.testing import CliRunner

from hardware.profiles import load_cluster
from planner.commands.export import export
from planner.commands.plan import plan
from planner.commands.simulate import simulate
from planner.launch.answer import ask_launch_file
from planner.launch.job import Context, Job, LaunchError
from planner.launch.registry import FORMATS, launch_format, read_launch_file
from planner.questions.question import Options, load_question
from planner.questions.strategy_file import build_strategy, format_strategy_file
from simdl.step.strategy import Recompute, Strategy, problems

READABLE = [name for name, found in FORMATS.items() if found.read is not None]
QUESTION = load_question(Options(model="gpt3-6.7b", cluster="dgx-a100:4", global_batch=512))
CONTEXT = Context(devices=32, devices_per_node=8, layers=32, before=1, behind=1)
PLAIN = Strategy(dp=4, tp=4, pp=2, zero=1, sequence_parallel=True, micro_batch=2)
INTERLEAVED = replace(PLAIN, schedule="interleaved-1f1b", virtual_stages=4, recompute=Recompute.SELECTIVE)
SHARDED = Strategy(dp=16, tp=2, zero=3, shard_degree=8, recompute=Recompute.FULL)
CUT = replace(PLAIN, stages=(15, 19))


def written(name, strategy, question=QUESTION):
    return launch_format(name).write(Job(question=question, strategy=strategy))


def text_of(launch):
    return next(iter(launch.files.values()))


def strategies():
    """Every combination of what files say, those that cannot be carried out left out."""
    degrees = product(
        (1, 2, 4), (1, 2, 4), (1, 2), range(4), (1, 2), Recompute, (1, 2), range(4), (0, 1), (0, 1)
    )
    for tp, pp, cp, zero, virtual, recompute, micro, shard, sequence, cut in degrees:
        replicas = 32 // (tp * pp)
        strategy = Strategy(
            dp=replicas // cp,
            tp=tp,
            pp=pp,
            cp=cp,
            micro_batch=micro,
            schedule="interleaved-1f1b" if virtual > 1 else "1f1b",
            virtual_stages=virtual,
            recompute=recompute,
            zero=zero,
            shard_degree=(0, 1, replicas // 2, replicas)[shard],
            sequence_parallel=bool(sequence),
            stages=(14, 20) if cut else (),
        )
        if not any(problems(strategy, QUESTION.workload, QUESTION.cluster)):
            yield strategy


@cache
def some_strategies():
    return list(strategies())[::11]


@pytest.mark.property
@pytest.mark.parametrize("name", READABLE)
def test_what_is_written_is_read_back_but_for_what_was_warned_of(name):
    """Export followed by import gives the same strategy, but for exactly the keys that warnings named."""
    found, keys = FORMATS[name], {field.name for field in fields(Strategy)}
    read = 0
    for strategy in some_strategies():
        try:
            launch = written(name, strategy)
        except LaunchError:
            continue
        said = found.read(text_of(launch), CONTEXT)
        again = build_strategy(said.strategy, QUESTION.cluster)
        unlike = {key for key in keys if getattr(again, key) != getattr(strategy, key)}
        assert unlike == {each.key for each in launch.lost} & keys, strategy
        assert said.question.get("global_batch", 512) == 512
        assert said.question.get("seq_len", 2048) == 2048
        read += 1
    assert read > 100


@pytest.mark.parametrize("name", READABLE)
def test_a_written_file_is_recognised(name, tmp_path):
    launch = written(name, PLAIN)
    path = tmp_path / next(iter(launch.files))
    path.write_text(text_of(launch))
    assert read_launch_file(str(path), CONTEXT)[0].name == name


def test_megatron_has_a_flag_for_every_key():
    text = text_of(written("megatron", INTERLEAVED))
    for flag in (
        "--tensor-model-parallel-size 4",
        "--pipeline-model-parallel-size 2",
        "--num-virtual-stages-per-pipeline-rank 4",
        "--sequence-parallel",
        "--micro-batch-size 2",
        "--global-batch-size 512",
        "--recompute-granularity selective",
        "--use-distributed-optimizer",
        "--bf16",
    ):
        assert f"    {flag} " in text
    assert "virtual-pipeline-model-parallel-size" not in text
    assert "torchrun --nnodes 4 --nproc-per-node 8 pretrain_gpt.py" in text


def test_megatron_recomputes_the_first_layers_of_a_stage():
    block = replace(PLAIN, recompute=Recompute.FULL, recompute_layers=4)
    for name in ("megatron", "megatron-bridge"):
        launch = written(name, block)
        assert "recompute" not in {each.key for each in launch.lost}
        said = FORMATS[name].read(text_of(launch), CONTEXT)
        again = build_strategy(said.strategy, QUESTION.cluster)
        assert (again.recompute, again.recompute_layers) == (Recompute.FULL, 4)
    for name in ("torchtitan", "deepspeed", "accelerate", "maxtext", "nemo-automodel"):
        flat = replace(SHARDED, recompute_layers=4, shard_degree=0)
        assert "recompute_layers" in {each.key for each in written(name, flat).lost}


def test_megatron_keeps_the_input_of_every_few_layers():
    text = text_of(written("megatron", replace(PLAIN, recompute=Recompute.FULL)))
    said = FORMATS["megatron"].read(
        text.replace("--recompute-num-layers 1 ", "--recompute-num-layers 6 "), CONTEXT
    )
    strategy = build_strategy(said.strategy, QUESTION.cluster)
    assert strategy.savers == "1x keep, 2x [6x keep], [4x keep], 2x [6x keep], [4x keep], 1x keep"
    assert not list(problems(strategy, QUESTION.workload, QUESTION.cluster))
    assert "savers" in {each.key for each in written("megatron", strategy).lost}


@pytest.mark.parametrize("savers", ["*x optimizer", "*x optimizer+parameters"])
def test_deepspeed_has_the_optimizer_and_parameters_in_host_memory(savers):
    strategy = Strategy(dp=32, micro_batch=1, zero=3, savers=savers)
    launch = written("deepspeed", strategy)
    zero = json.loads(text_of(launch))["zero_optimization"]
    assert zero["offload_optimizer"] == {"device": "cpu", "pin_memory": True}
    assert ("offload_param" in zero) == ("parameters" in savers)
    assert "savers" not in {each.key for each in launch.lost}
    assert FORMATS["deepspeed"].read(text_of(launch), CONTEXT).strategy["savers"] == savers
    mixed = replace(strategy, savers="keep, *x optimizer")
    assert "savers" in {each.key for each in written("deepspeed", mixed).lost}


def test_megatron_layout_of_a_cut():
    assert "--pipeline-model-parallel-layout 'Et*14|t*18L'" in text_of(written("megatron", CUT))


def test_megatron_shards_over_instances():
    text = text_of(written("megatron", SHARDED))
    assert "--data-parallel-sharding-strategy optim_grads_params" in text
    assert "--num-distributed-optimizer-instances 2" in text


def test_bridge_names_the_virtual_size():
    assert "model.virtual_pipeline_model_parallel_size=4" in text_of(written("megatron-bridge", INTERLEAVED))


def test_torchtitan_is_a_function_in_tokens():
    launch = written("torchtitan", SHARDED)
    tree = ast.parse(text_of(launch))
    assert [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] == ["planned"]
    text = text_of(launch)
    assert "data_parallel_shard_degree = 8" in text
    assert "data_parallel_replicate_degree = 2" in text
    assert "num_tokens_per_train_step = 512 * 2048" in text
    assert "FullAC.Config()" in text


def test_torchtitan_reads_older_toml(tmp_path):
    path = tmp_path / "llama.toml"
    path.write_text(
        "[training]\nlocal_batch_size = 2\nglobal_batch_size = 64\nseq_len = 4096\n[parallelism]\n"
        'tensor_parallel_degree = 4\n[activation_checkpoint]\nmode = "selective"\n'
    )
    _, said = read_launch_file(str(path), CONTEXT)
    strategy = build_strategy(said.strategy, load_cluster("dgx-a100:4"))
    assert (strategy.dp, strategy.tp, strategy.zero, strategy.micro_batch) == (8, 4, 3, 2)
    assert (strategy.recompute, strategy.sequence_parallel) == (Recompute.SELECTIVE, True)
    assert said.question == {"seq_len": 4096, "global_batch": 64}


def test_torchtitan_counts_samples_of_a_pipeline_together(tmp_path):
    """Release 0.3.0: the local batch is what all microbatches of a pipeline hold."""
    path = tmp_path / "torchtitan_config.py"
    text = text_of(written("torchtitan", Strategy(dp=8, pp=4, micro_batch=2, zero=3)))
    path.write_text(text.replace("num_tokens", "other").replace("max_context_length", "longest"))
    _, said = read_launch_file(str(path), CONTEXT)
    assert (said.strategy["micro_batch"], said.strategy["pp"]) == (2, 4)
    assert said.question["global_batch"] == 512


def test_deepspeed_batches_multiply():
    launch = written("deepspeed", replace(SHARDED, recompute=Recompute.NONE))
    values = json.loads(text_of(launch))
    assert values["train_batch_size"] == 512
    assert values["train_micro_batch_size_per_gpu"] * values["gradient_accumulation_steps"] * 16 == 512
    assert values["zero_optimization"]["mics_shard_size"] == 8
    assert values["tensor_parallel"] == {"autotp_size": 2}


@pytest.mark.parametrize("name", ["accelerate", "maxtext", "nemo-automodel"])
def test_yaml_is_yaml_and_says_where_each_knob_came_from(name):
    yaml = pytest.importorskip("yaml")
    text = text_of(written(name, SHARDED))
    assert isinstance(yaml.safe_load(text), dict)
    rows = [line for line in text.splitlines()[1:] if not line.rstrip().endswith(":")]
    assert all("  # " in line for line in rows)


def test_maxtext_axes_multiply_to_the_devices():
    yaml = pytest.importorskip("yaml")
    values = yaml.safe_load(text_of(written("maxtext", SHARDED)))
    inside = outside = 1
    for key, value in values.items():
        inside *= value if key.startswith("ici_") else 1
        outside *= value if key.startswith("dcn_") else 1
    assert (inside, outside) == (8, 4)
    assert values["per_device_batch_size"] * 32 * values["gradient_accumulation_steps"] == 512


@pytest.mark.parametrize(
    ("name", "strategy", "message"),
    [
        ("megatron", replace(PLAIN, schedule="gpipe"), "found gpipe, which Megatron-LM does not have"),
        ("megatron", replace(PLAIN, schedule="zb-h1"), "found zb-h1, which Megatron-LM does not have"),
        ("deepspeed", replace(PLAIN, schedule="gpipe"), "which DeepSpeed does not have"),
        ("accelerate", PLAIN, "pp: found 2, which accelerate has not itself"),
        ("megatron", Strategy(dp=32, split_degree=1, shares=(3, 5)), "shares: found .*nothing of the kind"),
        ("megatron", Strategy(dp=8), "strategy of 8 devices; expected the 32 of dgx-a100:4"),
    ],
)
def test_impossible_combinations_say_so(name, strategy, message):
    with pytest.raises(LaunchError, match=message):
        written(name, strategy)


@pytest.mark.parametrize("model", ["resnet50", "bert-large", "t5-small", "gnmt", "mamba2-130m"])
@pytest.mark.parametrize("name", FORMATS)
def test_what_a_framework_does_not_train_is_refused(name, model):
    question = load_question(Options(model=model, cluster="dgx-a100:1", global_batch=64))
    own = FORMATS[name].own_program or (
        model == "mamba2-130m" and name in {"megatron-bridge", "nemo-automodel"}
    )
    if own:
        assert written(name, Strategy(dp=8), question).line
    else:
        with pytest.raises(LaunchError, match=f"model: found {model}; .* trains decoders of tokens"):
            written(name, Strategy(dp=8), question)


def test_torchtitan_refuses_more_ranks_than_key_value_heads():
    question = load_question(Options(model="llama3-8b", cluster="dgx-a100:2", global_batch=64))
    with pytest.raises(LaunchError, match="tp: found 16 for 8 key-value heads"):
        written("torchtitan", Strategy(dp=1, tp=16), question)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "a.json",
            '{"train_batch_size": 100, "train_micro_batch_size_per_gpu": 3, "zero_optimization": {}}',
            "found 100",
        ),
        ("a.json", '{"train_batch_size": "x"}', "train_batch_size: found 'x'; expected a whole number"),
        ("a.json", '{"zero_optimization": ', "not JSON"),
        (
            "a.sh",
            "--tensor-model-parallel-size 4 --recompute-granularity some",
            "expected 'selective' or 'full'",
        ),
        ("a.sh", "--tensor-model-parallel-size 'four", "cannot be split into words"),
        ("a.sh", "--tensor-model-parallel-size four", "found 'four'; expected a whole number"),
        ("a.py", "torchtitan = (", "not Python"),
        ("a.txt", "nothing", "not recognised as a launch file"),
    ],
)
def test_bad_files_are_refused_in_words(file, text, message, tmp_path):
    path = tmp_path / file
    path.write_text(text)
    with pytest.raises(LaunchError, match=message):
        read_launch_file(str(path), CONTEXT)


def test_unknown_formats_suggest_the_nearest():
    with pytest.raises(LaunchError, match="did you mean megatron"):
        launch_format("megatrom")


def test_export_and_simulate_from_agree(tmp_path):
    """A strategy file exported and read back simulates to the same step."""
    strategy = tmp_path / "s.toml"
    strategy.write_text(format_strategy_file(PLAIN, title="a plan"))
    assert tomllib.loads(strategy.read_text())["tp"] == 4
    question = ["--cluster", "dgx-a100:4", "--global-batch", "512"]
    asked = ["--format", "megatron", "--model", "gpt3-6.7b", *question, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(export, [str(strategy), *asked])
    assert done.exit_code == 0, done.output
    direct = CliRunner().invoke(simulate, ["gpt3-6.7b", *question, "--strategy", str(strategy), "--json"])
    launched = [
        "gpt3-6.7b",
        "--cluster",
        "dgx-a100:4",
        "--from",
        str(tmp_path / "out" / "megatron.sh"),
        "--json",
    ]
    again = CliRunner().invoke(simulate, launched)
    assert again.exit_code == 0, again.output
    first, second = json.loads(direct.stdout), json.loads(again.stdout)
    assert first["step_time"] == second["step_time"]
    assert first["strategy"] == second["strategy"]


def test_the_software_stack_of_a_launch_file_is_that_of_its_framework(tmp_path):
    """Unless the user names one; Megatron's arguments tell no version, so that the device decides."""
    stacks = {"deepspeed": "deepspeed", "torchtitan": "torchtitan", "megatron": "megatron-2023"}
    for name, stack in stacks.items():
        launch = written(name, Strategy(dp=32, zero=3, micro_batch=2) if name != "megatron" else PLAIN)
        path = tmp_path / next(iter(launch.files))
        path.write_text(text_of(launch))
        options = Options(model="gpt3-6.7b", cluster="dgx-a100:4")
        question, _ = ask_launch_file(str(path), options)
        assert question.stack.name == stack
        assert any(f"software stack {stack}" in each for each in question.assumptions)
        named, _ = ask_launch_file(str(path), replace(options, stack="pytorch-fsdp"))
        assert named.stack.name == "pytorch-fsdp"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["s.toml", "--format", "megatron"], "expected --model and --cluster beside it"),
        (["s.toml", "--format", "megatron", "--rank", "2"], "--rank 2: found with s.toml"),
        (["p.json", "--format", "megatron", "--model", "gpt2"], "--model: found with p.json"),
        (["s.toml", "--format", "nemo"], "did you mean nemo-automodel|expected one of"),
    ],
)
def test_export_refuses_what_it_would_ignore(arguments, message):
    done = CliRunner().invoke(export, arguments)
    assert done.exit_code == 2
    assert re.search(message, done.stderr)


def test_simulate_refuses_two_sources(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"train_batch_size": 64, "train_micro_batch_size_per_gpu": 1}')
    base = ["gpt2", "--cluster", "dgx-a100:1", "--from", str(path)]
    both = CliRunner().invoke(simulate, [*base, "--tp", "2"])
    assert both.exit_code == 2
    assert "--tp: given together with --from" in both.stderr
    other = CliRunner().invoke(simulate, [*base, "--global-batch", "32"])
    assert other.exit_code == 2
    assert "global_batch: found 64, but --global-batch 32" in other.stderr


def test_plan_writes_its_best_strategy_and_its_launch_file(tmp_path):
    path = tmp_path / "best.toml"
    asked = ["gpt2", "--cluster", "dgx-a100:1", "--global-batch", "64", "--top", "1", "--out", str(path)]
    done = CliRunner().invoke(plan, [*asked, "--emit", "deepspeed", "--json"])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    best = data["plans"][0]
    assert tomllib.loads(path.read_text())["dp"] == best["strategy"]["dp"]
    assert json.loads(data["launch"]["files"]["deepspeed.json"])["train_batch_size"] == 64
    again = CliRunner().invoke(plan, asked)
    assert again.exit_code == 2
    assert "exists; expected a new strategy file" in again.stderr
    unknown = CliRunner().invoke(plan, [*asked, "--force", "--emit", "deepsped"])
    assert "did you mean deepspeed" in unknown.stderr
