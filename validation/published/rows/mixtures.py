"""The mixture of experts of a published row: a registered network with the row's layers and sequence."""

import re
from dataclasses import dataclass, replace

from validation.errors import RowSkippedError
from validation.judging.rules import Pattern, load_rules
from validation.published.tables import PublishedRow
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.parts import Experts
from workloads.zoo.language.decoders import decoder_config


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureRule:
    """Models whose names match are this registered network."""

    pattern: Pattern
    network: str


# How mixtures of experts are called: 8x7B, 30B-A3B, or what they are.
_CALLED = re.compile(r"\bmoe\b|\d+x\d+(?:\.\d+)?b|-a\d+(?:\.\d+)?b\b", re.IGNORECASE)


def has_experts(row: PublishedRow) -> bool:
    """Whether a row trained a mixture of experts: by their number or, where that is blank, by its name."""
    if row["moe_experts"]:
        return row["moe_experts"] not in {"0", "1"}
    return bool(_CALLED.search(row["model"]) or _registered(row))


def _registered(row: PublishedRow) -> str:
    rules = load_rules("published/rows/mixtures.toml", MixtureRule)
    return next((rule.network for rule in rules if rule.pattern.search(row["model"])), "")


def row_mixture(row: PublishedRow) -> str:
    """The registered network of a row.

    Raises:
        RowSkippedError: none is known, or its experts are others than the row's.
    """
    name = _registered(row)
    if not name:
        raise RowSkippedError(f"mixture of experts {row['model']!r} is not registered")
    experts = _experts(name)
    if row["moe_experts"] not in {"", str(experts.count)}:
        raise RowSkippedError(f"{row['moe_experts']} experts; {name} has {experts.count}")
    return name


def mixture_vocabulary(name: str) -> int:
    """Tokens of the vocabulary that it was trained with."""
    return decoder_config(name).vocab


def active_width(name: str) -> int:
    """Features of the feed-forward networks that a token takes together."""
    experts = _experts(name)
    return experts.chosen * experts.ffn + experts.shared


def mixture_config(name: str, *, layers: int, vocab: int, tokens: int) -> DecoderConfig:
    """The registered network with other sizes; dense layers at its beginning are kept."""
    experts = _experts(name)
    sparse = experts.sparse if len(experts.sparse) < layers else experts.sparse[:layers]
    return replace(
        decoder_config(name, tokens=tokens),
        name=f"{name}-l{layers}-s{tokens}",
        layers=layers,
        vocab=vocab,
        experts=replace(experts, sparse=sparse),
    )


def _experts(name: str) -> Experts:
    experts = decoder_config(name).experts
    if experts is None:
        raise RowSkippedError(f"{name} is no mixture of experts")
    return experts
