"""The strategy of a language-model row: degrees, microbatches, sharding and recomputation from its text.

Degrees that are blank follow from the others (dp = devices / (tp pp cp)); a degree that changes what was
measured and cannot be derived skips the row. Where recomputation is not printed it is that of the program's
own recipe for the layout (:mod:`validation.published.rows.recipes`); without one the answer is a list of
candidates, least recomputation first, and the first that fits in memory is the prediction.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from simdl.step.strategy import Recompute, Strategy
from validation.errors import RowSkippedError
from validation.published.rows.cells import optional_count, required_count
from validation.published.rows.mixtures import has_experts
from validation.published.rows.recipes import Saving, recipe_saving
from validation.published.rows.sources import SourceDefaults
from validation.published.rows.techniques import OFFLOAD, accumulated, follows_configuration, state_on_host
from validation.published.tables import PublishedRow
from workloads.network import Network

LEAST_FIRST = (Recompute.NONE, Recompute.SELECTIVE, Recompute.FULL)
# Text of the recompute column, first match wins.
_RECOMPUTE = (
    (r"remat_policy=custom", Recompute.FULL),  # keeps a few tensors on the host, recomputes the rest
    (r"offload", Recompute.FULL),  # qkv_proj_offloaded keeps its few tensors on the host, recomputes the rest
    (r"selective|\bsac\b|minimal|save_|attention core|core attention", Recompute.SELECTIVE),
    (r"^(no|none|off|false|0)\b", Recompute.NONE),
    (r"full|checkpoint|yes|true", Recompute.FULL),
)
_SHARDED = 3
"""ZeRO stage of FSDP."""
# Text of the data_sharding column, first match wins.
_SHARDING = (
    (r"zero-?_?\d.*\+ ?fsdp|\bhsdp\b", 3),
    (r"(?:zero|stage)[-_ ]*(?:stage[-_ ]*)?(\d)", None),
    (r"fsdp ?= ?0|distributed[- _]?optimizer", 1),
    (r"shard_grad_op", 2),
    (r"no_shard|\bnone\b", 0),
    (r"fsdp|full_shard|hybrid_shard|fully[- ]shard", 3),
    (r"\bddp\b|data parallel", 0),
)


INTERLEAVED = "interleaved-1f1b"
# Text of the schedule column, first match wins.
_SCHEDULES = (
    (r"zb[-_ ]?h?2", "zb-h2"),
    (r"zb[-_ ]?v", "zb-v"),
    (r"zero[-_ ]?bubble|\bzb", "zb-h1"),
    (r"dual[-_ ]?pipe", "dualpipe"),
    (r"interleav|circular|looped|virtual", INTERLEAVED),
    (r"gpipe|afab|all[- ]forward|f-then-b", "gpipe"),
    (r"1f1b|pipedream-flush", "1f1b"),
)
_WHOLE = (
    r"^(?!.*(?:\btp\b|[23]d\b))"
    r".*(?:fsdp|hsdp|full_shard|fully[- ]shard|(?:zero|stage)[-_ ]*(?:stage[-_ ]*)?[23]|\bddp\b)"
)
"""Sharding whose programs take all devices as replicas where a row tells of no other division."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Degrees:
    """How a row's devices are arranged."""

    tp: int
    pp: int
    cp: int
    dp: int
    ep: int = 1


def row_degrees(row: PublishedRow) -> Degrees:
    """Degrees of a row whose product is its number of devices.

    Raises:
        RowSkippedError: tp or pp is blank where the sharding does not say that it takes all devices, or the
            product is not the devices.
    """
    devices = required_count(row, "n_devices")
    text = row["data_sharding"].lower()
    if devices > 1 and not row["tp"] and not row["dp"] and not re.search(_WHOLE, text):
        raise RowSkippedError("tp and pp are not published")
    tp, pp, cp = (optional_count(row, column) or 1 for column in ("tp", "pp", "cp"))
    if printed := re.search(r"ici_tensor_parallelism=(\d+)", text):  # MaxText's mesh
        tp = int(printed[1])
    inner = tp * pp * cp
    dp = optional_count(row, "dp") or devices // inner
    if dp * inner != devices:
        raise RowSkippedError(
            f"tp {tp} x pp {pp} x cp {cp} x dp {dp} = {dp * inner} is not the {devices} devices printed"
        )
    ep = optional_count(row, "ep") or 1 if has_experts(row) else 1
    return Degrees(tp=tp, pp=pp, cp=cp, dp=dp, ep=ep)


def row_strategies(
    row: PublishedRow, degrees: Degrees, network: Network, defaults: SourceDefaults
) -> tuple[tuple[Strategy, ...], tuple[str, ...]]:
    """Candidate strategies of a row, least recomputation first, and what was assumed.

    Raises:
        RowSkippedError: the microbatch is blank and has no default, or a text is not understood.
    """
    assumed: list[str] = []
    micro_batch = optional_count(row, "micro_batch")
    if micro_batch is None:
        if not defaults.micro_batch:
            raise RowSkippedError("micro_batch is not published")
        micro_batch = defaults.micro_batch
        assumed.append(f"micro_batch {micro_batch}")
    virtual = _virtual_stages(row, degrees, network, defaults, micro_batch=micro_batch, assumed=assumed)
    zero, sequence_parallel = (
        _zero(row, defaults, assumed),
        _sequence_parallel(row, degrees, defaults, assumed),
    )
    layout = {
        "tp": degrees.tp,
        "pp": degrees.pp,
        "cp": degrees.cp,
        "ep": degrees.ep,
        "vp": virtual,
        "micro_batch": micro_batch,
        "fsdp": int(zero == _SHARDED),
    }
    savings = _savings(row, layout, defaults, assumed, network)
    strategies = tuple(
        Strategy(
            dp=degrees.dp,
            tp=degrees.tp,
            pp=degrees.pp,
            cp=degrees.cp,
            ep=degrees.ep,
            etp=1 if degrees.ep > 1 else 0,
            micro_batch=micro_batch,
            schedule=_schedule(row, virtual),
            virtual_stages=virtual,
            recompute=Recompute.NONE if saving.savers else saving.recompute,
            recompute_layers=saving.layers,
            savers=saving.savers,
            zero=zero,
            shard_degree=_shard_degree(row, degrees, zero),
            sequence_parallel=sequence_parallel,
            stages=_stages(network, degrees.pp * virtual),
        )
        for saving in savings
    )
    return strategies, tuple(assumed)


def _virtual_stages(
    row: PublishedRow,
    degrees: Degrees,
    network: Network,
    defaults: SourceDefaults,
    *,
    micro_batch: int,
    assumed: list[str],
) -> int:
    """Printed virtual stages; where they are blank one layer each, if the source's recipes interleave so.

    Interleaving takes whole rounds of microbatches, so it is not assumed where they do not come in any.
    """
    if degrees.pp == 1:
        return 1
    printed, schedule = optional_count(row, "vp"), _printed_schedule(row)
    if schedule == "zb-v":
        return 2
    if printed is not None or schedule not in {"", INTERLEAVED} or not defaults.virtual_layers:
        return printed or 1
    layers = max(block.count for block in network.blocks)
    passes = (optional_count(row, "global_batch") or 0) // (degrees.dp * micro_batch)
    if layers % degrees.pp or passes % degrees.pp or not passes:
        return 1
    assumed.append(f"vp {layers // degrees.pp} (layers / pp)")
    return layers // degrees.pp


def printed_zero(row: PublishedRow) -> int | None:
    """ZeRO stage that the row's sharding names, None where it is blank.

    Raises:
        RowSkippedError: the text is none that is known.
    """
    text = row["data_sharding"].lower()
    if not text:
        return None
    if re.search(r"offload|infinity", text) and not state_on_host(row):
        raise RowSkippedError(f"data_sharding {row['data_sharding']!r}: what lies in host memory is not told")
    for pattern, stage in _SHARDING:
        match = re.search(pattern, text)
        if match:
            return int(match[1]) if stage is None else stage
    raise RowSkippedError(f"data_sharding {row['data_sharding']!r} is not understood")


def row_recompute(
    row: PublishedRow, assumed: list[str], least: Recompute = Recompute.NONE
) -> tuple[Recompute, ...]:
    """Printed recomputation, or all modes from the ``least`` of its program on where it is not printed.

    Raises:
        RowSkippedError: the text is none that is known.
    """
    text = row["recompute"].lower()
    if not text:
        assumed.append("recompute: the least that fits")
        return LEAST_FIRST[LEAST_FIRST.index(least) :]
    for pattern, mode in _RECOMPUTE:
        if re.search(pattern, text):
            return (mode,)
    raise RowSkippedError(f"recompute {row['recompute']!r} is not understood")


def _savings(
    row: PublishedRow,
    layout: Mapping[str, int],
    defaults: SourceDefaults,
    assumed: list[str],
    network: Network,
) -> tuple[Saving, ...]:
    """How memory is saved: as printed, as the program's recipe says, or the least that fits."""
    if share := _recomputed_share(row):
        _, layers = network.repeated
        count = round(share * layers / (layout["pp"] * layout["vp"]))
        return (Saving(recompute=Recompute.FULL, layers=max(1, count)),)
    if accumulated(row, OFFLOAD):
        _, layers = network.repeated
        return (Saving(recompute=Recompute.FULL, offload=layers),)
    if state_on_host(row):
        return (Saving(recompute=Recompute.FULL, state=True),)
    if follows_configuration(row):
        return (Saving(recompute=Recompute.FULL),)
    saving = None if row["recompute"] else recipe_saving(row, layout, defaults.recipes)
    if saving is not None:
        assumed.append(f"recompute: {saving} (recipe)")
        return (saving,)
    return tuple(Saving(recompute=mode) for mode in row_recompute(row, assumed, defaults.recompute))


def _recomputed_share(row: PublishedRow) -> float:
    """Share of the blocks that are recomputed in full; 0 where the row does not say that some are.

    "Selective layer" is torchtitan's: every second block (config_manager.py, selective_ac_option). "Some
    blocks" are as many as the utilisation of the hardware says over that of the model: a forward pass is a
    third of a step's products.
    """
    text = row["recompute"].lower()
    if re.search(r"selective[ _]layer", text):
        return 0.5
    if "some blocks" in text and row["mfu_pct"] and row["hfu_pct"]:
        return min(1.0, 3 * (float(row["hfu_pct"]) / float(row["mfu_pct"]) - 1))
    return 0.0


def _zero(row: PublishedRow, defaults: SourceDefaults, assumed: list[str]) -> int:
    printed = printed_zero(row)
    if printed is None:
        piped = (optional_count(row, "pp") or 1) > 1  # gradients of a pipeline accumulate locally
        zero = min(defaults.zero, 1) if piped else defaults.zero
        assumed.append(f"data_sharding: ZeRO stage {zero}")
        return zero
    return printed


def _shard_degree(row: PublishedRow, degrees: Degrees, zero: int) -> int:
    """Printed size of the sharding group where it is a part of the replicas, else 0 for all of them.

    "FSDP2 4" with cp 2 names the dp degree: the context-parallel ranks shard too.
    """
    text, replicas = row["data_sharding"].lower(), degrees.dp * degrees.cp
    match = re.search(r"fsdp2? (?:group )?(\d+)|zero-?\d over (\d+) ranks", text)
    group = int(match[1] or match[2]) if match else 0
    if not group and re.search(r"\bhsdp\b|hybrid_shard", text):
        group = (optional_count(row, "devices_per_node") or 8) // degrees.tp
    if not zero or not group or group in (degrees.dp, replicas) or replicas % group:
        return 0
    return group


def _sequence_parallel(
    row: PublishedRow, degrees: Degrees, defaults: SourceDefaults, assumed: list[str]
) -> bool:
    if degrees.tp == 1:
        return False
    if has_experts(row):  # Megatron-Core takes no other
        return True
    text = row["sp"].lower()
    if text:
        return text in {"yes", "true", "on", "1", str(degrees.tp)}
    assumed.append(f"sp {'on' if defaults.sequence_parallel else 'off'}")
    return defaults.sequence_parallel


def _printed_schedule(row: PublishedRow) -> str:
    """The schedule that a row of a pipeline names, "" where it names none."""
    text = row["schedule"].lower()
    if not text or (optional_count(row, "pp") or 1) == 1:
        return ""
    for pattern, name in _SCHEDULES:
        if re.search(pattern, text):
            return name
    raise RowSkippedError(f"schedule {row['schedule']!r} is not understood")


def _schedule(row: PublishedRow, virtual: int) -> str:
    printed = _printed_schedule(row)
    if printed in {"", "1f1b", INTERLEAVED}:
        return INTERLEAVED if virtual > 1 else "1f1b"
    return printed


def _stages(network: Network, chunks: int) -> tuple[int, ...]:
    """Even stages where embedding and head count as layers (NeMo: account_for_embedding_in_..._split)."""
    _, layers = network.repeated
    if layers % chunks and network.depth % chunks == 0:
        return (network.depth // chunks,) * chunks
    return ()
