"""Options of `simdl transform`: which layers are changed how, as texts ``[LAYERS=]VALUE``.

LAYERS are names or patterns with commas between them, as `simdl models` prints them with or without the
block; without LAYERS, all that the transform suits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from simdl.errors import SimdlError
from workloads.transforms.operator_fusion import GROUPS
from workloads.transforms.published import PUBLISHED
from workloads.transforms.registry import Transform, build_transform
from workloads.weight_format import TWO_OF_FOUR

Values = Mapping[str, Any]
Command = Callable[..., None]


def _prune(value: str) -> Values:
    if value == TWO_OF_FOUR:
        return {"sparsity": 0.5, "pattern": TWO_OF_FOUR}
    sparsity, *index = _parts(value, 2)
    return {"sparsity": _number(sparsity), **({"index_bits": _whole(index[0])} if index else {})}


def _quantize(value: str) -> Values:
    weights, *activations = _parts(value, 2)
    more = {"activation_bits": _whole(activations[0])} if activations else {}
    return {"weight_bits": _whole(weights), **more}


def _share(value: str) -> Values:
    return {"weight_bits": _whole(value)}


def _huffman(value: str) -> Values:
    weights, *index = _parts(value, 2)
    return {"weight_bits": _number(weights), **({"index_bits": _number(index[0])} if index else {})}


def _low_rank(value: str) -> Values:
    return {"rank": _whole(value)}


def _tensor_train(value: str) -> Values:
    parts = _parts(value, 3)
    if len(parts) < 3:
        raise ValueError
    return dict(zip(("inputs", "outputs", "ranks"), map(_factors, parts), strict=True))


def _winograd(value: str) -> Values:
    return {"outputs": _whole(value)}


OPTIONS: tuple[tuple[str, str, str, Callable[[str], Values], str], ...] = (
    (
        "low-rank",
        "low-rank",
        "[LAYERS=]RANK",
        _low_rank,
        "Two factors in place of a matrix (its SVD cut to RANK), or of a convolution (k x k, then 1 x 1).",
    ),
    (
        "tensor-train",
        "tensor-train",
        "LAYERS=INPUTS,OUTPUTS,RANKS",
        _tensor_train,
        "A train of cores in place of a matrix, such as fc6=2x7x8x8x7x4,4x4x4x4x4x4,4.",
    ),
    (
        "prune",
        "prune",
        "[LAYERS=]SPARSITY[,INDEX_BITS]",
        _prune,
        "Share of weights that is zero, in [0, 1), or 2:4; INDEX_BITS as takes the least bytes.",
    ),
    (
        "share",
        "share",
        "[LAYERS=]BITS",
        _share,
        "Weights become BITS-bit indexes into a table of shared values.",
    ),
    (
        "quantize",
        "quantize",
        "[LAYERS=]BITS[,ACTIVATION_BITS]",
        _quantize,
        "Bits of weights, and of what layers read and write; 0 leaves either as it is.",
    ),
    (
        "huffman",
        "code",
        "[LAYERS=]BITS[,INDEX_BITS]",
        _huffman,
        "Mean bits of a weight and of its place in codes of variable length, measured on the weights.",
    ),
    (
        "winograd",
        "winograd",
        "[LAYERS=]OUTPUTS",
        _winograd,
        "3 x 3 convolutions by minimal filtering of OUTPUTS x OUTPUTS tiles: 2 or 4.",
    ),
)
"""Option, type of transform, form of its text, reader of the value, help; in the order of application."""


def transform_options(command: Command) -> Command:
    """Adds the options of all transforms; the command gets a tuple of texts for each."""
    added = command
    added = click.option(
        "--published",
        type=click.Choice(PUBLISHED),
        help="Compression of MODEL as printed, layer by layer: Han et al. 2016, tables 2 to 5.",
    )(added)
    added = click.option(
        "--fuse",
        type=click.Choice((*GROUPS, "all")),
        multiple=True,
        help="Operators joined into kernels as compilers do it.",
    )(added)
    for name, _, form, _, text in reversed(OPTIONS):
        added = click.option(f"--{name}", metavar=form, multiple=True, help=text)(added)
    return added


def asked_transforms(given: Mapping[str, Sequence[str]]) -> tuple[Transform, ...]:
    """The transforms of all options, those that change shapes first, each option in the order given.

    Args:
        given: texts by option, with underscores in its name.

    Raises:
        SimdlError: a text cannot be read, or its numbers are out of range; one line per fault.
    """
    found: list[Transform] = []
    faults: list[str] = []
    for name, kind, form, read, _ in OPTIONS:
        for text in given[name.replace("-", "_")]:
            layers, value = _split(text)
            place = f"--{name} {text}"
            try:
                found.append(build_transform(kind, {**read(value), "layers": layers}))
            except ValueError:
                faults.append(f"{place}: cannot be read; expected {form}")
                continue
            faults += [f"{place}: {fault}" for fault in found[-1].faults()]
    found += _fusions(given["fuse"])
    if faults:
        raise SimdlError("\n".join(faults))
    return tuple(found)


def _fusions(groups: Sequence[str]) -> Iterator[Transform]:
    if groups:
        chosen = GROUPS if "all" in groups else tuple(dict.fromkeys(groups))
        yield build_transform("fuse", {"groups": chosen})


def _split(text: str) -> tuple[tuple[str, ...], str]:
    layers, found, value = text.rpartition("=")
    if not found:
        return (), text.strip()
    return tuple(part.strip() for part in layers.split(",") if part.strip()), value.strip()


def _parts(value: str, most: int) -> list[str]:
    parts = value.split(",")
    if len(parts) > most:
        raise ValueError
    return parts


def _whole(text: str) -> int:
    return int(text)


def _number(text: str) -> float:
    return float(text)


def _factors(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("x"))
