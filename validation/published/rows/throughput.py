"""A whole-network throughput row (the ``cnn`` header) as a question to the simulator.

Networks are registered ones, at the image size or sequence length the row prints, else at the network's
own; GPT rows carry their dimensions in the notes. Training is data-parallel unless the notes give a
model-parallel size.
"""

import re

from simdl.step.strategy import Recompute, Strategy
from validation.errors import RowSkippedError
from validation.published.rows.cells import note_count, optional_count, optional_measurement, required_count
from validation.published.rows.cluster import row_cluster
from validation.published.rows.graph_networks import graph_network
from validation.published.rows.machines import with_device
from validation.published.rows.measurement import check_trusted, out_of_memory
from validation.published.rows.network import family_network, plain_shape
from validation.published.rows.network_names import (
    alone,
    network_name,
    registered_network,
    scripted_tokens,
    spelled,
)
from validation.published.rows.precision import row_precision
from validation.published.rows.quantities import full_graph, row_quantity
from validation.published.rows.setup import Setup, shared_workload
from validation.published.rows.speech import SPEECH, speech_precision
from validation.published.rows.stack import choose_stack
from validation.published.rows.translation import TRANSLATIONS
from validation.published.tables import PublishedRow
from workloads.network import Network
from workloads.operators import Pass
from workloads.registry import network_names

# Stacks whose one process launches the kernels of every replica of a node.
_ONE_PROCESS = ("pytorch-dataparallel",)
_ADAM = re.compile(r"bert|gpt|gnmt|transformer|(nn)?unet|gcn|graphsage|gat |tacotron|waveglow")
_QUESTION = ("model", "image_size_or_seq_len", "device", "n_devices", "precision", "framework", "data")
# NVIDIA's BERT for PyTorch reads its 512-token phase from "phase2/bin_size_64" (run_pretraining.sh; sequence
# binning of LDDL), so a batch is padded to its bin and not to 512. Half of the tokens of Wikipedia cut at 512
# are padding (Krell et al. 2021, arXiv:2107.02027, abstract) and half a bin on average is padding again:
# 512 / 2 + 64 / 2.
_BINNED_TOKENS = {512: 288}
# MLPerf's BERT packs sequences that are half padding, two to a pack of 512 tokens (Krell et al. 2021), and
# counts the sequences: as whole packs, 994 a second and H100 would need 1.1 PFLOP/s, more than FP8 reaches.
_PACK_TOKENS = 512
# Every published model-parallel degree divides the heads that this size gives.
_GPT_HEAD_SIZE = 96


def throughput_setup(row: PublishedRow) -> Setup:
    """Everything the simulator needs to predict a row, and what was measured.

    Raises:
        RowSkippedError: the row cannot be predicted or scored; the message says why.
    """
    check_trusted(row)
    row, unnamed = with_device(alone(spelled(row)))
    quantity = row_quantity(row)
    if row["model"].lower().startswith("gpt") and row["model"] not in network_names():
        network, assumed = _gpt(row)
    else:
        network, assumed = _registered(row)
    assumed = (*assumed, *unnamed)
    cluster = row_cluster(row)
    strategy = _strategy(row, network)
    real = speech_precision(row)
    precision = row_precision(real or row["precision"], _default_precision(row))
    if real:
        assumed = (*assumed, "the option for mixed precision is not known to the program and ignored")
    if precision.matmul == "tf32" and "tf32" not in cluster.device.peak_flop_rate:
        precision = row_precision("fp32", "")  # "TF32 on Ampere and later" is FP32 on what came before
    if not row["precision"]:
        assumed = (*assumed, f"precision {precision.name}")
    choice = choose_stack(row, cluster.device, network)
    memory, value = optional_measurement(row, "mem_gib"), optional_measurement(row, "value")
    return Setup(
        workload=shared_workload(network, _optimizer(row), precision, _global_batch(row, strategy)),
        cluster=cluster,
        strategies=(strategy,),
        stack=choice.stack,
        measured=None if value is None else value / quantity.steps,
        unit=quantity.unit,
        part=quantity.part,
        launch_factor=strategy.dp if choice.stack in _ONE_PROCESS else 1,
        copied=_copied(row, network, strategy.dp) * precision.activation,
        counted=_counted(row, network),
        out_of_memory=out_of_memory(row),
        measured_memory=None if memory is None else memory * 2**30,
        question=(row.file, *(row[column] for column in _QUESTION)),
        assumptions=assumed,
        warnings=(choice.warning,) if choice.warning else (),
    )


def _counted(row: PublishedRow, network: Network) -> float:
    """What the row counts of a sample, over the tokens that its network takes."""
    if speech := SPEECH.get(row["model"].lower()):
        return speech.counted / network.tokens
    translation = TRANSLATIONS.get(row["model"].lower())
    if translation is None:
        return 1.0
    return translation.counted / network.tokens / translation.slowest(required_count(row, "n_devices"))


def _copied(row: PublishedRow, network: Network, replicas: int) -> float:
    """Elements that a timed step copies out of the host's memory: a batch, and what goes on to replicas.

    ``nn.DataParallel`` copies the batch to the first device and scatters it; without access to each other
    devices meet in the host's memory again.
    """
    if not re.search(r"host tensor copied", row["data"]):
        return 0.0
    sample = network.blocks[0].layers[0].operators(Pass.FORWARD)[0].reads
    return sample * required_count(row, "batch_per_device") * (2.0 * replicas - 1.0)


def _registered(row: PublishedRow) -> tuple[Network, tuple[str, ...]]:
    if graph := graph_network(row):
        return graph, ("depth and widths of the source's scripts",)
    name = network_name(row)
    cube = re.fullmatch(r"(\d+)(?:x\1)+", row["image_size_or_seq_len"])
    size = int(cube[1]) if cube else optional_count(row, "image_size_or_seq_len") or scripted_tokens(row)
    if size is None and name in SPEECH:
        return registered_network(name, SPEECH[name].tokens), ("clips as long as LJ Speech's",)
    if size is None and name.startswith("bert"):
        size = note_count(row, r"\((\d+) expected")
    assumed = () if row["image_size_or_seq_len"] else (f"input size {size or 'of the network'}",)
    if size == _PACK_TOKENS and name.startswith("bert") and re.search(r"packed sequences", row["model"]):
        size = _PACK_TOKENS // 2
        assumed = (f"{size} tokens of a sequence in a pack of two",)
    if size in _BINNED_TOKENS and name.startswith("bert") and _is_binned(row):
        size = _BINNED_TOKENS[size]
        assumed = (f"{size} tokens left of a sequence after binning",)
    return registered_network(name, size), assumed


def _is_binned(row: PublishedRow) -> bool:
    """NVIDIA's examples for PyTorch and for Paddle, known by their folder too, train on the same bins."""
    said = f"{row['source']} {row['source_item']}".lower()
    framework = re.search(r"pytorch|paddle", row["framework"].lower())
    return framework is not None and bool(re.search(r"deeplearningexamples|languagemodeling/bert/", said))


def _gpt(row: PublishedRow) -> tuple[Network, tuple[str, ...]]:
    layers, hidden = note_count(row, r"(\d+) layers"), note_count(row, r"hidden (\d+)")
    tokens, vocab = note_count(row, r"seq (\d+)"), note_count(row, r"vocab (\d+)")
    if not (layers and hidden and tokens and vocab):
        raise RowSkippedError("the dimensions of the network are not published")
    shape = plain_shape(layers=layers, hidden=hidden, vocab=vocab, tokens=tokens, head_size=_GPT_HEAD_SIZE)
    return family_network(row["source"], row["model"], shape), shape.assumptions


def _strategy(row: PublishedRow, network: Network) -> Strategy:
    devices = required_count(row, "n_devices")
    if network.part == "row":  # tables are divided over all devices, which share every batch
        return Strategy(cp=devices, micro_batch=required_count(row, "global_batch"))
    tp = note_count(row, r"model-parallel size (\d+)") or 1
    if devices % tp:
        raise RowSkippedError(f"model-parallel size {tp} does not divide {devices} devices")
    dp = devices // tp
    if full_graph(row):
        micro_batch = 1
    else:
        micro_batch = optional_count(row, "batch_per_device") or required_count(row, "global_batch") // dp
    translation = TRANSLATIONS.get(row["model"].lower())
    if translation:
        micro_batch = translation.sentences(micro_batch, dp)
    recomputed = re.search(r"full recompute|activation recompute .* on", row["notes"])
    return Strategy(
        dp=dp,
        tp=tp,
        micro_batch=micro_batch,
        recompute=Recompute.FULL if recomputed else Recompute.NONE,
    )


def _global_batch(row: PublishedRow, strategy: Strategy) -> int:
    if full_graph(row):
        return strategy.dp
    steps = optional_count(row, "grad_accumulation") or 1
    if row["model"].lower() in TRANSLATIONS:
        return strategy.dp * strategy.micro_batch * steps
    return optional_count(row, "global_batch") or strategy.dp * strategy.micro_batch * steps


def _optimizer(row: PublishedRow) -> str:
    model = row["model"].lower()
    if "industrial" in model:
        return "rmsprop"
    return "adam" if _ADAM.match(model) else "momentum"


def _default_precision(row: PublishedRow) -> str:
    """MLPerf's logs do not print it: NVIDIA's BERT trains in FP8 (Transformer Engine) since v3.0.

    Elsewhere a blank means what frameworks do unasked, FP32; on devices since Hopper nobody trains so.
    """
    modern = re.search(r"h100|h200|b200|b300", row["device"], re.IGNORECASE)
    if not re.search(r"mlperf|mlcommons", f"{row['source']} {row['model']}", re.IGNORECASE):
        return "fp16" if modern else "fp32"
    return "fp8" if modern and row["model"].startswith("bert") else "fp16"
