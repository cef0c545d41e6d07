"""A whole-network throughput row (the ``cnn`` header) as a question to the simulator.

Networks are registered ones, at the image size or sequence length the row prints, else at the network's
own; GPT rows carry their dimensions in the notes. Training is data-parallel unless the notes give a
model-parallel size.
"""

import re
from functools import cache

from simdl.step.strategy import Recompute, Strategy
from validation.errors import RowSkippedError
from validation.published.rows.cells import note_count, optional_count, optional_measurement, required_count
from validation.published.rows.cluster import row_cluster
from validation.published.rows.measurement import check_trusted, out_of_memory
from validation.published.rows.network import family_network, plain_shape
from validation.published.rows.precision import row_precision
from validation.published.rows.setup import Setup, shared_workload
from validation.published.rows.stack import choose_stack
from validation.published.tables import PublishedRow
from workloads.errors import WorkloadError
from workloads.network import Network
from workloads.registry import load_network, network_names

# (source, model) patterns -> registered network, where the table's name is not the registered one. Training
# scripts since 2018 put the stride of ResNet's bottleneck in the 3 x 3 convolution (v1.5);
# tf_cnn_benchmarks has the AlexNet of "One weird trick" (2014) and the ResNet of the paper.
_NETWORKS = (
    (r"tensorflow/docs|horovod issue|tf_cnn", r"^alexnet$", "alexnet-owt"),
    (r"deeplearningexamples|dlperf|aws-samples", r"^(resnet\d+)$", r"\1-v1.5"),
)
_UNITS = {"samples_per_s": "samples/s", "tokens_per_s": "tokens/s", "step_time_s": "s"}
_QUESTION = ("model", "image_size_or_seq_len", "device", "n_devices", "precision", "framework", "data")
# NVIDIA's BERT for PyTorch reads its 512-token phase from "phase2/bin_size_64" (run_pretraining.sh; sequence
# binning of LDDL), so a batch is padded to its bin and not to 512. Half of the tokens of Wikipedia cut at 512
# are padding (Krell et al. 2021, arXiv:2107.02027, abstract) and half a bin on average is padding again:
# 512 / 2 + 64 / 2.
_BINNED_TOKENS = {512: 288}
# Every published model-parallel degree divides the heads that this size gives.
_GPT_HEAD_SIZE = 96


def throughput_setup(row: PublishedRow) -> Setup:
    """Everything the simulator needs to predict a row, and what was measured.

    Raises:
        RowSkippedError: the row cannot be predicted or scored; the message says why.
    """
    check_trusted(row)
    unit = _UNITS.get(row["metric"])
    if unit is None:
        raise RowSkippedError(f"metric {row['metric']!r} is not one of {', '.join(_UNITS)}")
    if row["model"].startswith("gpt"):
        network, assumed = _gpt(row)
    else:
        network, assumed = _registered(row)
    cluster = row_cluster(row)
    strategy = _strategy(row)
    precision = row_precision(row["precision"], "fp32")
    choice = choose_stack(row, cluster.device, network)
    memory = optional_measurement(row, "mem_gib")
    return Setup(
        workload=shared_workload(network, _optimizer(row), precision, _global_batch(row, strategy)),
        cluster=cluster,
        strategies=(strategy,),
        stack=choice.stack,
        measured=optional_measurement(row, "value"),
        unit=unit,
        out_of_memory=out_of_memory(row),
        measured_memory=None if memory is None else memory * 2**30,
        question=(row.file, *(row[column] for column in _QUESTION)),
        assumptions=assumed,
        warnings=(choice.warning,) if choice.warning else (),
    )


def _registered(row: PublishedRow) -> tuple[Network, tuple[str, ...]]:
    name = row["model"].lower()
    for source, model, registered in _NETWORKS:
        if re.search(source, row["source"].lower()) and re.search(model, name):
            name = re.sub(model, registered, name)
    size = optional_count(row, "image_size_or_seq_len")
    if size is None and name.startswith("bert"):
        size = note_count(row, r"\((\d+) expected")
    assumed = () if row["image_size_or_seq_len"] else (f"input size {size or 'of the network'}",)
    if size in _BINNED_TOKENS and name.startswith("bert") and _is_binned(row):
        size = _BINNED_TOKENS[size]
        assumed = (f"{size} tokens left of a sequence after binning",)
    return _network(name, size), assumed


def _is_binned(row: PublishedRow) -> bool:
    return "deeplearningexamples" in row["source"].lower() and row["framework"] == "PyTorch"


@cache
def _network(name: str, size: int | None) -> Network:
    if name not in network_names():
        raise RowSkippedError(f"network {name} is not registered")
    try:
        if size is None:
            return load_network(name)
        if name.startswith("bert"):
            return load_network(name, tokens=size)
        return load_network(name, image_size=size)
    except WorkloadError as error:
        raise RowSkippedError(f"input size is not possible: {error}") from None


def _gpt(row: PublishedRow) -> tuple[Network, tuple[str, ...]]:
    layers, hidden = note_count(row, r"(\d+) layers"), note_count(row, r"hidden (\d+)")
    tokens, vocab = note_count(row, r"seq (\d+)"), note_count(row, r"vocab (\d+)")
    if not (layers and hidden and tokens and vocab):
        raise RowSkippedError("the dimensions of the network are not published")
    shape = plain_shape(layers=layers, hidden=hidden, vocab=vocab, tokens=tokens, head_size=_GPT_HEAD_SIZE)
    return family_network(row["source"], row["model"], shape), shape.assumptions


def _strategy(row: PublishedRow) -> Strategy:
    devices = required_count(row, "n_devices")
    tp = note_count(row, r"model-parallel size (\d+)") or 1
    if devices % tp:
        raise RowSkippedError(f"model-parallel size {tp} does not divide {devices} devices")
    dp = devices // tp
    micro_batch = optional_count(row, "batch_per_device") or required_count(row, "global_batch") // dp
    recomputed = re.search(r"full recompute|activation recompute .* on", row["notes"])
    return Strategy(
        dp=dp,
        tp=tp,
        micro_batch=micro_batch,
        recompute=Recompute.FULL if recomputed else Recompute.NONE,
    )


def _global_batch(row: PublishedRow, strategy: Strategy) -> int:
    steps = optional_count(row, "grad_accumulation") or 1
    return optional_count(row, "global_batch") or strategy.dp * strategy.micro_batch * steps


def _optimizer(row: PublishedRow) -> str:
    return "adam" if re.match(r"bert|gpt|gnmt|transformer", row["model"].lower()) else "momentum"
