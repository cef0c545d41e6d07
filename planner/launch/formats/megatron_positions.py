"""Positions and windows of a decoder as arguments of Megatron-LM, and what of them no argument says.

Flags read from NVIDIA/Megatron-LM at d98e8a64: megatron/training/arguments.py (network size, latent
attention), megatron/training/argument_utils.py (YaRN outside of latent attention), megatron/core/models/
common/embeddings/rotary_pos_embedding.py (scaling of Llama 3), megatron/core/transformer/
transformer_config.py (``MLATransformerConfig``).
"""

from collections.abc import Iterator, Mapping, Sequence

from planner.launch.job import Knob, Lost
from workloads.layer import Layer

WHY = "of the network"
MODEL = "model"
LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192.0}
"""Numbers of the scaling of Llama 3 that have no argument."""
LATENT_YARN = {"original_max_position_embeddings": 4096.0, "beta_fast": 32.0, "beta_slow": 1.0}
"""Numbers of YaRN that have no argument for latent attention."""
YARN = {
    "factor": "rotary-scaling-factor",
    "original_max_position_embeddings": "yarn-original-max-position-embeddings",
    "beta_fast": "yarn-beta-fast",
    "beta_slow": "yarn-beta-slow",
    "mscale": "mscale",
    "mscale_all_dim": "mscale-all-dim",
}
SHARED_YARN = ("factor", "mscale", "mscale_all_dim")
"""Numbers of YaRN whose arguments latent attention has too."""


def position_arguments(
    layers: Sequence[Mapping[str, Layer]], embedding: Mapping[str, Layer]
) -> Iterator[Knob | Lost]:
    """Positions, then windows.

    Args:
        layers: of every repeated block, by name.
        embedding: of the first block.
    """
    attending = [block for block in layers if "attention" in block]
    rotary = next((block["rotary"] for block in attending if "rotary" in block), None)
    if rotary is not None:
        yield from _rotary_arguments(rotary, attending)
    elif "positions" in embedding:
        yield Knob("position-embedding-type", "learned_absolute", WHY)
    else:
        yield Knob("position-embedding-type", "none", WHY)
    if any(block["attention"].attributes.get("alibi") for block in attending):
        yield Lost(MODEL, "found positions by linear biases of the scores (ALiBi); none are written")
    yield from _window_arguments(attending)


def _rotary_arguments(rotary: Layer, attending: Sequence[Mapping[str, Layer]]) -> Iterator[Knob | Lost]:
    said = rotary.attributes
    latent = bool(said.get("latent"))
    scaling = str(said.get("scaling", ""))
    yarn = scaling == "yarn"
    yield Knob("position-embedding-type", "yarn" if yarn and not latent else "rope", WHY)
    yield from _base_arguments(rotary)
    turned = int(str(said.get("features", 0)))
    core = next(block["attention"].core for block in attending if "rotary" in block)
    if turned and not latent and core is not None and turned != core.head_size:
        yield Knob("rotary-percent", turned / core.head_size, WHY)
    if latent:
        yield Knob("rope-type", "yarn" if yarn else "rope", WHY)
        if not yarn:
            yield Knob("no-rope-fusion", None, "what latent attention asks for without YaRN")
    yield from _scaling_arguments(scaling, _numbers(rotary), latent=latent)
    skipped = ["rotary" not in block for block in attending]
    if any(skipped):
        yield Knob("no-rope-freq", pattern(skipped), "of the network: 1 for a layer without positions")


def _base_arguments(rotary: Layer) -> Iterator[Knob | Lost]:
    base, local = (float(str(rotary.attributes.get(name, 0.0))) for name in ("base", "local_base"))
    if base and base.is_integer():
        yield Knob("rotary-base", int(base), WHY)
    elif base:
        yield Lost(MODEL, f"found rotary base {base:g}; --rotary-base takes whole numbers: {int(base)} is")
        yield Knob("rotary-base", int(base), WHY)
    else:
        yield Lost(MODEL, "found no rotary base, which the network's source does not say; it is 10,000")
    if local and local != base:
        yield Lost(MODEL, f"found rotary base {local:g} of layers with a window; all have {base:g}")


def _numbers(rotary: Layer) -> dict[str, float]:
    """Of the scaling, by the names of Transformers."""
    return {
        name.removeprefix("scaling_"): float(str(value))
        for name, value in rotary.attributes.items()
        if name.startswith("scaling_")
    }


def _scaling_arguments(scaling: str, numbers: Mapping[str, float], *, latent: bool) -> Iterator[Knob | Lost]:
    factor = numbers.get("factor", 1.0)
    if scaling == "llama3" and not latent:
        yield Knob("use-rope-scaling", None, WHY)
        yield Knob("rope-scaling-factor", factor, WHY)
        yield from _fixed(numbers, LLAMA3)
    elif scaling == "yarn":
        yield from _yarn_arguments(numbers, latent=latent)
    elif scaling == "linear" and not latent and factor.is_integer():
        yield Knob("rotary-seq-len-interpolation-factor", int(factor), WHY)
    elif scaling:
        yield Lost(MODEL, f"found rotary positions scaled by {scaling}; they are written unscaled")


def _yarn_arguments(numbers: Mapping[str, float], *, latent: bool) -> Iterator[Knob | Lost]:
    for name, argument in YARN.items():
        if name in numbers and (not latent or name in SHARED_YARN):
            value = numbers[name]
            yield Knob(argument, int(value) if name.startswith("original") else value, WHY)
    if latent:
        yield from _fixed(numbers, LATENT_YARN)
    elif numbers.get("truncate") == 0:
        yield Knob("no-yarn-correction-range-round-to-int", None, WHY)
    if "attention_factor" in numbers:
        yield Lost(MODEL, f"found attention_factor {numbers['attention_factor']:g}; mscale says it instead")


def _fixed(numbers: Mapping[str, float], fixed: Mapping[str, float]) -> Iterator[Lost]:
    """Numbers other than those that the program takes."""
    for name, value in fixed.items():
        if numbers.get(name, value) != value:
            yield Lost(MODEL, f"found {name} {numbers[name]:g}; without an argument it is {value:g}")


def _window_arguments(attending: Sequence[Mapping[str, Layer]]) -> Iterator[Knob | Lost]:
    """Windows of so many keys: the query's own and those to its left."""
    cores = [block["attention"].core for block in attending]
    windows = [core.window if core else 0 for core in cores]
    if not any(windows):
        return
    sizes = sorted({window for window in windows if window}, reverse=True)
    if any(core and core.chunked for core in cores):
        yield Lost(MODEL, f"found chunks of {sizes[0]:,} tokens that attend to themselves; all attend to all")
        return
    if len(sizes) > 1:
        yield Lost(
            MODEL, f"found windows of {', '.join(f'{size:,}' for size in sizes)}; the longest is written"
        )
    yield Knob("window-size", f"{sizes[0] - 1},0", f"of the network: windows of {sizes[0]:,} tokens")
    if not all(windows):
        narrow = [bool(window) for window in windows]
        yield Knob("window-attn-skip-freq", pattern(narrow), "of the network: 1 for a layer with a window")


def pattern(flags: Sequence[bool]) -> str:
    """Which layers, as a list that is evaluated: ``[0]*3+[1]*58``, or repeated ``([1]*3+[0]*1)*12``."""
    total = len(flags)
    period = next(
        size
        for size in range(1, total + 1)
        if total % size == 0 and all(flags[n] == flags[n % size] for n in range(total))
    )
    runs: list[list[int]] = []
    for flag in flags[:period]:
        if runs and runs[-1][0] == flag:
            runs[-1][1] += 1
        else:
            runs.append([int(flag), 1])
    text = "+".join(f"[{flag}]*{times}" for flag, times in runs)
    return text if period == total else f"({text})*{total // period}"
