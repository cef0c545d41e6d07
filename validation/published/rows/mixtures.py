"""The mixture of experts of a published row: a registered network with the row's layers and sequence."""

from dataclasses import dataclass, replace

from validation.errors import RowSkippedError
from validation.judging.rules import Pattern, load_rules
from validation.published.tables import PublishedRow
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.parts import Experts
from workloads.zoo.language.mixtures import COMMON, CONFIGURATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureRule:
    """Models whose names match are this registered network."""

    pattern: Pattern
    network: str


def has_experts(row: PublishedRow) -> bool:
    """Whether a row trained a mixture of experts."""
    return row["moe_experts"] not in {"", "0", "1"}


def row_mixture(row: PublishedRow) -> str:
    """The registered network of a row.

    Raises:
        RowSkippedError: none is known, or its experts are others than the row's.
    """
    rules = load_rules("published/rows/mixtures.toml", MixtureRule)
    name = next((rule.network for rule in rules if rule.pattern.search(row["model"])), "")
    if not name:
        raise RowSkippedError(f"mixture of experts {row['model']!r} is not registered")
    experts: Experts = CONFIGURATIONS[name]["experts"]
    if row["moe_experts"] != str(experts.count):
        raise RowSkippedError(f"{row['moe_experts']} experts; {name} has {experts.count}")
    return name


def active_width(name: str) -> int:
    """Features of the feed-forward networks that a token takes together."""
    experts: Experts = CONFIGURATIONS[name]["experts"]
    return experts.chosen * experts.ffn + experts.shared


def mixture_config(name: str, *, layers: int, vocab: int, tokens: int) -> DecoderConfig:
    """The registered network with other sizes; dense layers at its beginning are kept."""
    fields = {**COMMON, **CONFIGURATIONS[name]}
    experts: Experts = fields["experts"]
    sizes = {"layers": layers, "vocab": vocab, "tokens": tokens}
    sparse = experts.sparse if len(experts.sparse) < layers else experts.sparse[:layers]
    return DecoderConfig(
        **{**fields, **sizes, "experts": replace(experts, sparse=sparse)},
        name=f"{name}-l{layers}-s{tokens}",
    )
