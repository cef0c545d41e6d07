"""Colours of figures: one for one meaning, whichever figure of a page it stands in.

Causes of time have the hues of Okabe and Ito 2008, "Color Universal Design", readable with every common
colour vision; what follows from a cause, such as a task or a kind of message, has a shade of it. Parts of
memory are teal and earth, ranks violet, kernels pink, candidates of a space slate. Patterns tell apart what
shades do not.
"""

from collections.abc import Iterable, Mapping
from colorsys import hls_to_rgb

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, LIGHT = "#7F7F7F", "#DDDDDD"
SERIES = (BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, "#7A4B2A", "#A5A000")
"""Colours of series without a meaning of their own, in the order they are taken."""
GOLDEN = 0.6180339887498949
SEQUENTIAL = "Cividis"  # its lightness rises evenly for every colour vision
SLATE = ((0.0, "#D5DEE8"), (0.5, "#8DA0B3"), (1.0, "#2B4A68"))
"""Scale of candidates, on pages whose other colours leave no room for :data:`SEQUENTIAL`."""

_LOADS = ("#C2C283", "#3F4A00")
MEMBER, SWITCH = "#5C6B73", "#CFD8DC"
"""What links join."""

Look = tuple[str, str]
"""Colour and pattern."""
CAUSES: Mapping[str, Look] = {
    "forward": (BLUE, ""),
    "backward": (SKY, ""),
    "recompute": (PURPLE, ""),
    "optimizer": ("#1B2A49", ""),
    "host_transfer": ("#882255", "/"),
    "tensor_communication": (VERMILION, ""),
    "context_communication": ("#F2905A", "/"),
    "expert_communication": ("#8C2D04", "x"),
    "pipeline_communication": (ORANGE, ""),
    "data_communication": (GREEN, ""),
    "resharding": ("#9C7A00", "/"),
    "contention": ("#7FD0B0", "x"),
    "compression": ("#00583F", "."),
    "launch": (YELLOW, ""),
    "overhead": (GREY, ""),
    "input": ("#B5AE84", "/"),
    "bubble": (LIGHT, ""),
}
"""By cause of time."""
PARTS: Mapping[str, Look] = {
    "parameters": ("#2A8C9E", ""),
    "gradients": ("#8CD3DD", ""),
    "optimizer": ("#0B5563", ""),
    "stashed": ("#5E8C6A", "/"),
    "activations": ("#B8895A", ""),
    "transient": ("#E5CFA3", ""),
    "update": ("#D0B070", "/"),
    "workspace": ("#C5D86D", "/"),
    "gathered": ("#6B4423", ""),
    "host_buffers": ("#F7B6D2", "/"),
    "context": ("#9A8478", "."),
}
"""By part of memory."""
PART_NAMES: Mapping[str, str] = {"optimizer": "optimizer state", "stashed": "stashed weights"}
"""Parts whose key would read as something else."""
KINDS: Mapping[str, Look] = {
    "matmul": (BLUE, ""),
    "convolution": (SKY, ""),
    "attention": (PURPLE, ""),
    "normalization": (YELLOW, ""),
    "elementwise": (ORANGE, ""),
    "softmax": ("#F7D08A", "/"),
    "reduction": ("#A89F2E", "/"),
    "pooling": ("#A7D8F5", "/"),
    "gather": ("#7A9CC6", "/"),
    "optimizer": ("#1B2A49", ""),
    "communication": (VERMILION, ""),
    "copy": (GREEN, ""),
    "other": (GREY, ""),
    "idle": (LIGHT, ""),
}
"""By kind of kernel or category of a trace, on pages of traces."""
SYMBOLS: Mapping[str, str] = {
    "matmul": "circle",
    "convolution": "square",
    "attention": "diamond",
    "normalization": "triangle-up",
    "elementwise": "cross",
    "softmax": "triangle-down",
    "reduction": "pentagon",
    "pooling": "star-square",
    "gather": "x",
    "optimizer": "hexagram",
    "copy": "hourglass",
    "other": "star",
}
"""Marker by kind of kernel, where kernels have shades of one hue."""
TASKS: Mapping[str, Look] = {
    "forward": CAUSES["forward"],
    "backward": CAUSES["backward"],
    "input gradient": ("#8FCBEF", ""),
    "weight gradient": ("#3A93CC", "/"),
    "forward and backward": ("#3A4FB0", "x"),
    "optimizer": CAUSES["optimizer"],
    "update on the host": ("#5E1742", "x"),
    "resharding": CAUSES["resharding"],
    "layer splits": ("#B84A00", "."),
    "tensor parallelism": ("#E0702A", ""),
    "context parallelism": ("#FBC4A4", "/"),
    "exchange between parts": ("#FFD9C7", "x"),
    "tokens to experts and back": ("#A65A38", "x"),
    "send activation": ("#F2BF4A", ""),
    "send gradient": ("#BF8000", "/"),
    "reduce gradients": ("#26B389", ""),
    "gather parameters": ("#A3DCC6", "/"),
    "reduce tied embedding": ("#3D7D64", "."),
    "reduce copies of stages": ("#6DA892", "-"),
    "exchange for the update": ("#2B6B52", "x"),
    "compress gradients": ("#0E6E51", "|"),
    "store in host memory": ("#A5487A", "/"),
    "fetch from host memory": ("#C98AA9", "."),
    "read samples": ("#8E8A63", "/"),
    "parse samples": ("#A19C72", "x"),
    "decode samples": ("#CBC7A6", "."),
    "augment samples": ("#DCD9C2", "-"),
    "copy samples to the device": ("#747050", "|"),
}
"""By name of a task or purpose of a message: the hue is that of its cause."""
ROLES: Mapping[str, str] = {
    "critical path": BLACK,
    "limit": "#B2182B",
    "peak of products": "#67001F",
    "peak of vector units": "#E0605A",
    "candidates": "#8DA0B3",
    "front": "#AA0078",
    "plans": "#00C8D7",
    "fitting": "#4F6D8F",
    "ideal": "#444444",
    "sizes": "#B8D800",
    "best": "#5B8C00",
    "computation": "#6E8FB5",
    "exchange": "#F4A582",
    "gradient sum": "#5AA34F",
}
"""What else stands on the pages of plans and steps."""
OTHER: Look = ("#6B6B6B", ".")
_RANKS = ("#2D0B59", "#D9CCEE")
_KERNELS = ("#7A0F45", "#FBB4D6")
"""Colours of the first and of the last."""


def rank_colours(count: int) -> list[str]:
    """Shades of one hue for ranks, dark to light."""
    return _ramp(*_RANKS, count)


def kernel_colour(kind: str) -> str:
    """A shade of the hue of kernels for a kind of ``SYMBOLS``."""
    shades = dict(zip(SYMBOLS, _ramp(*_KERNELS, len(SYMBOLS)), strict=True))
    return shades.get(kind, shades["other"])


def _ramp(first: str, last: str, count: int) -> list[str]:
    return [_mixed(first, last, place / max(count - 1, 1)) for place in range(count)]


def load_colour(share: float) -> str:
    """The colour of a link by its load, as a share of the largest."""
    return _mixed(*_LOADS, share)


def series_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour of its own for every series of a page: first those of ``SERIES``, then hues far apart."""
    known = enumerate(dict.fromkeys(names))
    return {name: SERIES[place] if place < len(SERIES) else _hue(place) for place, name in known}


def _hue(place: int) -> str:
    """The hue that the golden section puts furthest from those before it, light or dark by turns."""
    lightness = (0.34, 0.62, 0.48, 0.76)[place % 4]
    parts = hls_to_rgb(place * GOLDEN % 1.0, lightness, 0.62)
    return "#" + "".join(f"{round(255 * part):02X}" for part in parts)


def shade(colour: str, amount: float) -> str:
    """A colour mixed with white (``amount`` above 0) or black (below), as a share of it."""
    return _mixed(colour, "#FFFFFF" if amount > 0 else BLACK, abs(amount))


def _mixed(first: str, second: str, share: float) -> str:
    """A colour on the way from the first to the second."""
    pairs = ((int(first[at : at + 2], 16), int(second[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(one + (two - one) * share):02X}" for one, two in pairs)
