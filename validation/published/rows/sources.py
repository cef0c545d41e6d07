"""What a published row leaves unsaid about how it was trained: ``sources.toml`` by source family."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from simdl.step.strategy import Recompute
from validation.judging.rules import Pattern, first_match, load_rules

FlopConvention = Literal["full", "causal", "megatron", "bigscience"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDefaults:
    """Defaults of one source family.

    Attributes:
        name: of the family.
        pattern: found in the ``source`` column; an empty one stands for sources that are not known.
        flops: how its TFLOP/s and MFU count.
        zero: ZeRO stage where the sharding is blank.
        sequence_parallel: with tp > 1, where the column is blank.
        precision: where blank.
        micro_batch: where blank, 0 to skip the row.
        optimizer: registered name.
        stacks: software stacks whose rows of unknown sources take the same defaults; None for none.
        virtual_layers: a blank number of virtual stages means one layer a stage.
        recipes: source of the recipes in ``recipes.csv`` that its rows followed, empty for none.
        recompute: the least that its programs recompute where the column is blank.
        reason: where the defaults are written down.
    """

    name: str
    pattern: Pattern
    flops: FlopConvention
    zero: int
    sequence_parallel: bool
    precision: str
    micro_batch: int = 0
    optimizer: str = "adam"
    stacks: Pattern | None = None
    virtual_layers: bool = False
    recipes: str = ""
    recompute: Recompute = Recompute.NONE
    reason: str

    @property
    def known(self) -> bool:
        """Whether the conventions are those of this very source."""
        return bool(self.pattern.pattern)


@cache
def source_defaults(source: str) -> SourceDefaults:
    """Defaults of the source family of a ``source`` cell."""
    found = first_match(load_rules("published/rows/sources.toml", SourceDefaults), source)
    assert found is not None  # noqa: S101 (the last rule matches everything)
    return found


@cache
def stack_defaults(stack: str) -> SourceDefaults:
    """Defaults of rows whose source is not known, by the stack that they are taken to run on.

    TFLOP/s are what a program prints, so they count as its code does.
    """
    unknown = source_defaults("")
    rules = load_rules("published/rows/sources.toml", SourceDefaults)
    found = next((rule for rule in rules if rule.stacks is not None and rule.stacks.fullmatch(stack)), None)
    if found is None:
        return unknown
    return replace(found, name=unknown.name, pattern=unknown.pattern)
