"""How rows are grouped when groups are left out: by source, stack, device, fabric, model, family or table."""

import re
from collections.abc import Callable, Mapping

from simdl.software.reader import stack_lineage
from validation.fit.patches import shipped_numbers
from validation.fit.responses import FitRow
from validation.published.rows.families import family_of

Key = Callable[[FitRow], str]


def _source(row: FitRow) -> str:
    """The repository or page, without its commit and the place in it."""
    return re.split(r"[@ :,]", row.row["source"].strip())[0].lower() or "unknown"


def _stack(row: FitRow) -> str:
    """The stack whose file holds the fitted numbers that the row uses, so that variants go together."""
    holders = {number.holder for number in shipped_numbers()}
    return next((name for name, _ in stack_lineage(row.setup.stack) if name in holders), row.setup.stack)


def _device(row: FitRow) -> str:
    return row.setup.cluster.device.name


def _fabric(row: FitRow) -> str:
    """The outermost link that the run used."""
    cluster = row.setup.cluster
    if cluster.devices == 1:
        return "one device"
    return cluster.node.levels[-1 if cluster.count > 1 else 0].link.name


def _model(row: FitRow) -> str:
    """The family of a language model, the network of others."""
    if row.row.kind == "llm":
        return family_of(row.row["source"], row.row["model"]).name
    return row.setup.workload.network.name


def _family(row: FitRow) -> str:
    """What networks of one design are called, whatever their depth: ``resnet`` of resnet50-d, ``vgg``."""
    named = re.match("[a-z]+", _model(row).lower())
    return named[0] if named else _model(row)


def _table(row: FitRow) -> str:
    return row.row.file


GROUPINGS: Mapping[str, Key] = {
    "source": _source,
    "stack": _stack,
    "device": _device,
    "fabric": _fabric,
    "model": _model,
    "family": _family,
    "table": _table,
}
"""Name of a grouping to the group of a row."""


def stratum(row: FitRow) -> str:
    """Language models, networks of images and encoders, or forward passes alone."""
    if row.setup.part == "forward":
        return "forward passes"
    if row.row.kind == "llm" or row.row["model"].lower().startswith("gpt"):
        return "language models"
    return "CNN, BERT and others"
