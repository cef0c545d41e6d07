"""Launch files fed to the frameworks' own configuration classes, where those can be imported without a GPU.

Each test is skipped with the reason where its package is not installed or does not import on a processor:
`accelerate`, `deepspeed` (with a world size that it is told), `megatron-core`, `torchtitan`, `nemo-automodel`
and `megatron-bridge`. Without `megatron-core` the stored list of options stands for it
(`tests/planner/test_megatron_model.py`).
"""

import ast
import json
import re
import warnings
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import get_args, get_type_hints

import pytest

from planner.launch.job import Job
from planner.launch.registry import FORMATS
from planner.questions.question import Options, load_question
from simdl.step.strategy import Strategy

QUESTION = load_question(Options(model="llama3-8b", cluster="dgx-a100:2", global_batch=64))
SHARDED = Strategy(dp=16, zero=3)
DIVIDED = Strategy(dp=4, tp=4, zero=1, sequence_parallel=True)


def tool(module):
    """A module of a framework, or a skip that says why not."""
    try:
        with warnings.catch_warnings():  # a package's own are not ours
            warnings.simplefilter("ignore")
            return import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever a package does where there is no GPU
        pytest.skip(f"{module} does not import here: {type(error).__name__}: {str(error)[:100]}")


def text(name, strategy):
    return next(iter(FORMATS[name].write(Job(question=QUESTION, strategy=strategy)).files.values()))


@pytest.mark.parametrize("strategy", [SHARDED, Strategy(dp=16), Strategy(dp=8, tp=2, zero=3)])
def test_accelerate_takes_its_file(strategy, tmp_path):
    arguments = tool("accelerate.commands.config.config_args")
    path = tmp_path / "accelerate.yaml"
    path.write_text(text("accelerate", strategy), encoding="utf-8")
    found = arguments.load_config_from_file(str(path))  # refuses keys that it does not know
    assert found.num_processes == 16
    assert found.mixed_precision == "bf16"


@pytest.mark.parametrize("strategy", [SHARDED, Strategy(dp=16, zero=1, micro_batch=2)])
def test_deepspeed_takes_its_file_for_as_many_processes(strategy, monkeypatch):
    config = tool("deepspeed.runtime.config")
    monkeypatch.setattr(config.dist, "get_world_size", lambda *_: 16)
    monkeypatch.setattr(config.dist, "get_rank", lambda *_: 0)
    found = config.DeepSpeedConfig(json.loads(text("deepspeed", strategy)))
    assert found.train_batch_size == 64
    assert found.train_micro_batch_size_per_gpu == strategy.micro_batch
    assert found.zero_optimization_stage == strategy.zero


def test_megatron_core_has_what_its_arguments_name():
    config = tool("megatron.core.transformer.transformer_config")
    known = {field.name.replace("_", "-") for field in fields(config.TransformerConfig)}
    written = set(re.findall(r"^ {4}--(\S+)", text("megatron", DIVIDED), re.MULTILINE))
    of_core = {
        "tensor-model-parallel-size",
        "pipeline-model-parallel-size",
        "sequence-parallel",
        "hidden-size",
    }
    of_core |= {
        "num-layers",
        "num-attention-heads",
        "num-query-groups",
        "kv-channels",
        "normalization",
        "bf16",
    }
    assert of_core <= written & known
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = config.TransformerConfig(
            num_layers=32, hidden_size=4096, num_attention_heads=32, num_query_groups=8
        )
    assert model.kv_channels == 128


@pytest.mark.parametrize("strategy", [SHARDED, Strategy(dp=4, pp=4, zero=2, micro_batch=2)])
def test_torchtitan_takes_its_function(strategy):
    trainer = tool("torchtitan.trainer")
    written = text("torchtitan", strategy)
    scope = {}
    exec(compile(written, "torchtitan", "exec"), scope)  # noqa: S102 - a file that this project writes
    name = next(node.name for node in ast.parse(written).body if isinstance(node, ast.FunctionDef))
    found = scope[name]()
    assert isinstance(found, trainer.Trainer.Config)
    assert found.parallelism.pipeline_parallel_degree == strategy.pp
    assert found.parallelism.data_parallel_shard_degree == strategy.dp


def test_nemo_automodel_takes_its_file(tmp_path):
    loader = tool("nemo_automodel.components.config.loader")
    path = tmp_path / "automodel.yaml"
    path.write_text(text("nemo-automodel", SHARDED), encoding="utf-8")
    assert loader.load_yaml_config(str(path)).distributed.strategy == "fsdp2"


def test_megatron_bridge_has_what_its_overrides_name():
    container = tool("megatron.bridge.training.config")
    kinds = get_type_hints(container.ConfigContainer) | {"dataset": container.GPTDatasetConfig}
    written = re.findall(r"^ {4}'?([a-z_]+)\.([a-z_]+)=", text("megatron-bridge", DIVIDED), re.MULTILINE)
    assert {"model", "train", "dataset", "ddp"} <= {section for section, _ in written}
    for section, name in written:
        for kind in get_args(kinds[section]) or (kinds[section],):
            if is_dataclass(kind):
                assert name in {field.name for field in fields(kind)}, f"{section}.{name} of {kind}"
