"""Whatever stands in a file or behind a command, there is an answer or one clear message."""

import json
import re
from contextlib import chdir
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import click
import pytest
from click.testing import CliRunner
from fuzzing import NUMBERS, finite, is_clear, mutated, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kineto_traces import gpu_trace
from project import all_commands

import validation
from hardware.profile_files import load_text
from hardware.profiles import load_cluster
from planner.cli import main
from planner.kineto.measured_steps import measure_trace
from planner.launch.job import Context
from planner.launch.registry import read_launch_file
from planner.microbatch.convolutions import read_layer_list
from planner.money.price import load_prices
from planner.overlays.chakra_file import measure_chakra
from planner.profiles.profile_answer import load_named_profile
from planner.questions.answer_file import load_answer
from planner.questions.question import Options, load_question
from planner.questions.strategy_file import load_strategy
from planner.sweep.grid import load_grid
from simdl.kernels.convolution_table import read_convolution_table
from simdl.report.protobuf_wire import bytes_field, double_field, number_field, packed_field, varint
from simdl.step.simulate import simulate as simulated
from simdl.step.strategy import Strategy
from simdl.synchrony.slowdown import parse_slowdown
from validation.microbenchmarks.journal import read_journal
from workloads.profiles import MU_CUDNN_LAYERS, PIPEDREAM_EDGES, PIPEDREAM_NODES
from workloads.registry import load_network

pytestmark = pytest.mark.property
ROOT = Path(validation.__file__).parents[1]
CONFIG = ROOT / "tests" / "workloads" / "data" / "llama-3.1-70b" / "config.json"
JOURNAL = ROOT / "validation" / "measured" / "epyc-2-cores" / "measurements-1.csv"
CONTEXT = Context(devices=32, devices_per_node=8, layers=32, before=1, behind=1)
SHOWN = (ROOT / "docs" / "files.md").read_text("utf-8")
EXAMPLES = dict(re.findall(r"<!-- file: ([\w -]+) -->\n```\w+\n(.*?)```", SHOWN, re.DOTALL))
"""Files that docs/files.md shows, by name."""
NETWORKS = (ROOT / "docs" / "networks.md").read_text("utf-8")
GRAPH = re.search(r'(kind = "graph".*?)```', NETWORKS, re.DOTALL)[1]
SOURCE = '[sources.us]\nkind = "assumed"\ntitle = "t"\nlocation = "none"\nread_on = 2026-11-21\n'
LAUNCH = {
    "deepspeed": '{"train_batch_size": 64, "train_micro_batch_size_per_gpu": 2, "zero_optimization": '
    '{"stage": 3, "overlap_comm": true}, "bf16": {"enabled": true}}',
    "megatron": "--tensor-model-parallel-size 4 --pipeline-model-parallel-size 2 --micro-batch-size 1 "
    "--global-batch-size 64 --seq-length 2048 --recompute-activations --use-distributed-optimizer\n",
    "torchtitan": "[training]\nlocal_batch_size = 2\nglobal_batch_size = 64\nseq_len = 2048\n"
    "[parallelism]\ntensor_parallel_degree = 4\n[activation_checkpoint]\nmode = 'full'\n",
    "nemo-automodel": "distributed:\n  _target_: x.FSDP2Manager\n  tp_size: 4\n  dp_size: 8\n"
    "step_scheduler:\n  global_batch_size: 64\n  local_batch_size: 1\n",
}
RIGHT = {
    **LAUNCH,
    **{name: EXAMPLES[name] for name in ("cluster", "strategy", "split strategy")},
    **{name: EXAMPLES[name] for name in ("image network", "decoder network", "transformed network")},
    "node": load_text("clusters", "dgx-a100"),
    "graph": GRAPH,
    "config": CONFIG.read_text("utf-8"),
    "kineto": json.dumps(gpu_trace()),
    "table": "device,layer,pass,algorithm,batch,time_us,workspace_MiB\na,c,forward,fft,32,8.5,48\n",
    "layers": "\n".join(MU_CUDNN_LAYERS.read_text("utf-8").splitlines()[:6]),
    "price": f'{SOURCE}[devices]\nh100-sxm = {{ value = "2.5 USD/h", source = "us", note = "n" }}\n',
    "slowdown": "1.0, 1.5\n2 # slow\n",
    "grid": 'models = ["lenet5"]\nclusters = ["cpu-node:1"]\nbatches = [8, 16]\n',
    "journal": "\n".join(JOURNAL.read_text("utf-8").splitlines()[:4]),
}
"""Files as they should be, by what they are."""
SUFFIX = {
    **dict.fromkeys(("config", "answer", "kineto", "deepspeed"), ".json"),
    **dict.fromkeys(("table", "layers", "journal"), ".csv"),
    "megatron": ".sh",
    "nemo-automodel": ".yaml",
    "chakra": ".et",
    "slowdown": ".txt",
    "profile": "_nodes.csv",
}
"""Ends of their names, where they are not ``.toml``."""


def on_cluster(path):
    """A cluster file, and a step on it whose numbers are numbers."""
    load_cluster.cache_clear()
    cluster = load_cluster(path)
    asked = Options(model="lenet5", cluster="cpu-node:1", precision="fp32", global_batch=64)
    question = load_question(asked)
    if "fp32" in cluster.device.peak_flop_rate and 64 % cluster.devices == 0:
        strategy = Strategy(dp=cluster.devices)
        step = simulated(question.workload, cluster, strategy, stack=question.stack).report
        assert 0 < step.step_time < 1e30
    return cluster


def strategy_of(path):
    return load_strategy(path, load_cluster("dgx-a100:4"))


READERS = {
    **dict.fromkeys(("cluster", "node"), on_cluster),
    **dict.fromkeys(("strategy", "split strategy"), strategy_of),
    **dict.fromkeys(("image network", "decoder network", "graph", "config"), load_network),
    "transformed network": load_network,
    **dict.fromkeys(LAUNCH, partial(read_launch_file, context=CONTEXT)),
    "answer": lambda path: load_answer(Path(path)),
    "kineto": lambda path: measure_trace(Path(path)),
    "chakra": lambda path: measure_chakra(Path(path)),
    "table": read_convolution_table,
    "layers": read_layer_list,
    "profile": lambda path: load_named_profile(f"{path}:vgg16"),
    "price": load_prices,
    "slowdown": lambda path: parse_slowdown(f"file:{path}"),
    "grid": lambda path: load_grid(Path(path)),
    "journal": lambda path: read_journal(Path(path)),
}
"""What reads each of them."""


def chakra_trace():
    """Three nodes, one after another."""
    blocks = [bytes_field(1, "0.0.4")]
    for number in range(3):
        exact = bytes_field(1, "seconds") + double_field(3, 1e-3)
        waits = packed_field(4, [number - 1]) if number else b""
        blocks.append(
            number_field(1, number)
            + bytes_field(2, f"aten::mm {number}")
            + number_field(3, 4)
            + waits
            + number_field(7, 1000)
            + bytes_field(10, exact)
        )
    return b"".join(varint(len(block)) + block for block in blocks)


def table_of(path):
    """The rows of one network."""
    kept = re.compile("model|vgg16")
    return "".join(line for line in path.read_text("utf-8").splitlines(keepends=True) if kept.match(line))


class Files:
    """A folder, and right files by what they are; shown in few words where a case fails."""

    def __init__(self, folder, right):
        self.folder, self.right = folder, right


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "profile_edges.csv").write_text(table_of(PIPEDREAM_EDGES))
    command = "simulate lenet5 --cluster cpu-node:1 --precision fp32 --global-batch 8 --json"
    answer = CliRunner().invoke(main, command.split()).stdout
    right = {name: text.encode() for name, text in RIGHT.items()}
    profile = table_of(PIPEDREAM_NODES).encode()
    right |= {"answer": answer.encode(), "profile": profile, "chakra": chakra_trace()}
    return Files(folder, right)


def place(folder, name):
    return folder / f"{name}{SUFFIX.get(name, '.toml')}"


def test_the_files_are_right(files):
    folder, right = files.folder, files.right
    for name, data in right.items():
        found, message = read(READERS[name], place(folder, name), data)
        assert found is not None, (name, message)
    assert set(right) == set(READERS)


@settings(max_examples=700, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_a_file_made_wrong_is_read_or_refused(files, seed):
    folder, right = files.folder, files.right
    random = Random(seed)  # noqa: S311 - no secret
    name = random.choice(sorted(right))
    _, message = read(READERS[name], place(folder, name), mutated(right[name], random))
    assert message is None or is_clear(message), (name, message)


MODELS = ("lenet5", "lenet5", "lenet5", "lenet5", "alexnet", "x")
HANDED = ("answer.json", "strategy.toml")
VALUES = {
    "cluster": ("cpu-node:1", "dgx-a100:1", "dgx-a100:2gpus", "dgx-a100", "dgx-a100:0", "x:1"),
    "device": ("v100-sxm2-16gb", "cpu", "x", "dgx-a100"),
    "precision": ("fp32", "fp16", "bf16", "x"),
    "optimizer": ("adam", "sgd", "x"),
    "stack": ("pytorch-ngc", "megatron-2023", "x"),
    "dataset": ("imagenet", "mnist", "x"),
}
TEXTS = ("1 MiB", "64MiB", "5 s", "1e305 PB", "1e-300 B/s", "10%", "a,b", "1..4")
MEASURING = re.compile(r"calibrate|train|dashboard|sweep|validate .*")
COMMANDS = {name: command for name, command in all_commands() if not MEASURING.fullmatch(name)}


def value(parameter, random):
    """A value for a parameter: mostly of its kind, sometimes of none."""
    if isinstance(parameter, click.Argument):
        return random.choice(MODELS if parameter.name == "model" else (*HANDED, *MODELS))
    if isinstance(parameter.type, click.Choice) and random.random() < 0.8:
        return str(random.choice(list(parameter.type.choices)))
    known = next((values for word, values in VALUES.items() if word in parameter.name), None)
    if known and random.random() < 0.8:
        return random.choice(known)
    if isinstance(parameter.type, click.Path):
        return random.choice(("new.json", "no/such/file", ".", *HANDED))
    if random.random() < 0.5:
        return random.choice(("1", "2", "4", "8"))
    return str(random.choice((*NUMBERS, *TEXTS)))


def command_line(name, random):
    """A command with what it needs, mostly, and up to three more options."""
    command = COMMANDS[name]
    options = [each for each in command.params if isinstance(each, click.Option) and each.name != "help"]
    chosen = [each for each in options if each.required and random.random() < 0.95]
    chosen += random.sample(options, min(len(options), random.choice((0, 1, 1, 2, 3))))
    line = name.split()
    line += [value(each, random) for each in command.params if isinstance(each, click.Argument)]
    for each in dict.fromkeys(chosen):
        line += [random.choice(each.opts), *([] if each.is_flag else [value(each, random)])]
    return line


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_a_command_of_any_options_answers_or_refuses(files, seed):
    random = Random(seed)  # noqa: S311 - no secret
    line = command_line(random.choice(sorted(COMMANDS)), random)
    with TemporaryDirectory(dir=files.folder) as folder, chdir(folder):
        for name in HANDED:
            Path(name).write_bytes(files.right[name.partition(".")[0]])
        done = CliRunner().invoke(main, line)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise AssertionError(line) from done.exception
    assert done.exit_code in {0, 1, 2}, line
    assert done.exit_code != 2 or is_clear(done.stderr), (line, done.stderr)
    assert done.exit_code != 2 or "Error: " in done.output, (line, done.output)
    if done.exit_code == 0 and "--json" in line:
        finite(done.stdout)
    assert not re.search(r"\b(nan|inf)\b", done.stdout), (line, done.stdout[:500])
