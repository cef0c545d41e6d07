"""What a program's own recipe says that a published row leaves blank: recomputation and offloading.

``recipes.csv`` lists the pretraining recipes of NVIDIA's Megatron-Bridge (``scripts/performance``, v0.2.0 to
v0.6.0) and NeMo (``recommended_model_configs``, v2.2.1 to v2.4.0), each layout once with its releases. A row
takes what every recipe of its layout says; where recipes disagree, or none has it, recomputation stays the
least that fits. ``cpu_offload_layers`` moves the activations of the first so many layers to the host
(Transformer Engine, ``get_cpu_offload_context``).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import pandas as pd

from simdl.step.strategy import Recompute
from validation.judging.tables import numbered_rows, read_table
from validation.published.rows.cells import required_count
from validation.published.tables import PublishedRow, published_folder

_FULL = re.compile(r"full (\d+) layers")
# Text of the precision column, first match wins; other granularities are block-scaled FP8 on Blackwell.
_PRECISIONS = (
    (r"nvfp4|fp4", ("nvfp4",)),
    (r"mx", ("fp8_mx",)),
    (r"fp8|float8", ("fp8_cs", "fp8")),
    (r"bf16", ("bf16",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """How a recipe saves memory.

    Attributes:
        recompute: of all layers, or of ``layers`` of each virtual stage where that is not 0.
        layers: the first so many of each virtual stage.
        offload: layers whose activations go to the host, the first of the network.
        state: parameters, gradients and optimizer state lie there, of all layers.
    """

    recompute: Recompute
    layers: int = 0
    offload: int = 0
    state: bool = False

    @property
    def savers(self) -> str:
        """The plan of a strategy; empty where nothing goes to the host."""
        if self.state:
            held = "optimizer+parameters"
            return f"keep+{held}, *x full+{held}, keep+{held}"
        redone = "full+" if self.recompute is Recompute.FULL else ""
        return f"keep, {self.offload}x {redone}offload, *x keep" if self.offload else ""

    def __str__(self) -> str:
        parts = [self.recompute.value + (f" of {self.layers} layers a stage" if self.layers else "")]
        return ", ".join([*parts, *([f"{self.offload} layers on the host"] if self.offload else [])])


def recipe_saving(row: PublishedRow, layout: Mapping[str, int], source: str) -> Saving | None:
    """What the recipes of a row's layout say together, None where they say nothing or disagree.

    Args:
        row: printed cells.
        layout: ``tp``, ``pp``, ``cp``, ``ep``, ``vp``, ``micro_batch``, and ``fsdp`` (0 or 1).
        source: of the recipes, as ``recipes.csv`` writes it; empty for none.
    """
    if not source:
        return None
    recipes = _recipes()
    same = (
        (recipes["source"] == source)
        & (recipes["model"].map(_plain) == _plain(row["model"]))
        & (recipes["device"] == row["device"].split("-")[0].upper())
        & recipes["precision"].isin(_precisions(row["precision"]))
    )
    for column, value in layout.items():
        same &= recipes[column] == str(value)
    found = recipes[same]
    exact = found[found["n_devices"] == str(required_count(row, "n_devices"))]
    said = {_saving(text, int(layers)) for text, layers in _pairs(found if exact.empty else exact)}
    return said.pop() if len(said) == 1 else None


@cache
def _recipes() -> pd.DataFrame:
    table = read_table(published_folder() / "rows" / "recipes.csv")
    return pd.DataFrame([cells for _, cells in numbered_rows(table)])


def _pairs(recipes: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(recipes["recompute"], recipes["offload_layers"], strict=True))


def _saving(text: str, offload: int) -> Saving:
    if found := _FULL.match(text):
        return Saving(recompute=Recompute.FULL, layers=int(found[1]), offload=offload)
    return Saving(recompute=Recompute(text.split(maxsplit=1)[0]), offload=offload)


def _plain(model: str) -> str:
    """A model's name without its punctuation and what stands in parentheses."""
    return re.sub(r"\(.*?\)|[^a-z0-9]", "", model.lower())


def _precisions(text: str) -> tuple[str, ...]:
    lowered = text.lower().replace("alt granularity", "mx")
    return next((names for pattern, names in _PRECISIONS if re.search(pattern, lowered)), ())
