"""What every family that a `config.json` describes shares: how its keys are checked and what it must answer.

Names and defaults are those of the configuration classes of Transformers 5.24
(``models/*/configuration_*.py``): a null is what the class says where the key is not given. Dimensions that
no two models share must stand in the file; only in a nested ``text_config`` may they be left out, because
files are published so. Lengths may be written as floats. The sequence length of pre-training is
``original_max_position_embeddings``, wherever the file has it, before the longest that rotary scaling
reaches.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import NoneType
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from workloads.layers.tokens.rotation import Rotation
from workloads.network import Network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder

FUNCTIONS = {
    "gelu": "gelu",
    "gelu_fast": "gelu",
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "gelu_python": "gelu",
    "quick_gelu": "gelu",
    "relu": "relu",
    "relu2": "relu2",
    "silu": "silu",
    "swish": "silu",
    "xielu": "xielu",
}

Function = Literal[
    "gelu",
    "gelu_fast",
    "gelu_new",
    "gelu_pytorch_tanh",
    "gelu_python",
    "quick_gelu",
    "relu",
    "relu2",
    "silu",
    "swish",
]
LARGEST = 10**9
"""A dimension, at most."""
Count = Annotated[int, Field(gt=0, le=LARGEST)]
Whole = Annotated[int, Field(ge=0, le=LARGEST)]
"""A number that may be 0."""
Base = Annotated[float, Field(gt=0, le=1e12)]
Probability = Annotated[float, Field(ge=0, le=1)]
Limit = Annotated[float, Field(ge=0, le=1e6)]


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Length = Annotated[int, BeforeValidator(_whole), Field(gt=0, le=LARGEST)]


def alias(*names: str, default: Any = ...) -> Any:  # noqa: ANN401 - a field of any type
    """A field that files name in several ways, the family's own name first."""
    return Field(default, validation_alias=AliasChoices(*names))


class Rope(BaseModel):
    """The rotary positions of a file; of them only the length before scaling counts here.

    Attributes:
        local_theta: base of layers with a window, where the file has parameters for both.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    original_max_position_embeddings: Length | None = None
    partial_rotary_factor: Probability | None = None
    rope_type: str | None = alias("rope_type", "type", default=None)
    rope_theta: Base | None = None
    local_theta: Base | None = None
    factor: Base | None = None
    attention_factor: Base | None = None
    beta_fast: Base | None = None
    beta_slow: Base | None = None
    low_freq_factor: Base | None = None
    high_freq_factor: Base | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool | None = None

    @property
    def numbers(self) -> tuple[tuple[str, float], ...]:
        """Of the scaling, those that are given."""
        found = ((name, getattr(self, name)) for name in SCALED)
        return tuple((name, float(value)) for name, value in found if value is not None)


UNSCALED = (None, "default", "mrope")
SCALED = (
    "factor",
    "original_max_position_embeddings",
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "low_freq_factor",
    "high_freq_factor",
    "mscale",
    "mscale_all_dim",
    "truncate",
)


def _rope(value: object) -> object:
    """Parameters of one kind of layer, where a file has them for several (``full_attention`` first)."""
    if not isinstance(value, dict):
        return value
    kinds = [inner for inner in (value.get("full_attention"), *value.values()) if isinstance(inner, dict)]
    local = value.get("sliding_attention")
    theta = {"local_theta": local.get("rope_theta")} if isinstance(local, dict) else {}
    return {**kinds[0], **theta} if kinds else value


class Family(BaseModel, ABC):
    """Keys of one family's `config.json`.

    Attributes:
        DIMENSIONS: what the configuration class says of keys that a file must give, for nulls and nested
            files.
        LENGTH: field of the longest sequence.
        HEADS: fields of the hidden features and of the heads that share them.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    DIMENSIONS: ClassVar[Mapping[str, Any]] = {}
    LENGTH: ClassVar[str] = "max_position_embeddings"
    HEADS: ClassVar[tuple[str, str]] = ("hidden_size", "num_attention_heads")

    original_max_position_embeddings: Length | None = None
    rope_theta: Base | None = Field(None, validation_alias=AliasChoices("rope_theta", "rotary_emb_base"))
    rope_local_base_freq: Base | None = None
    rope_scaling: Annotated[Rope, BeforeValidator(_rope)] | None = None
    rope_parameters: Annotated[Rope, BeforeValidator(_rope)] | None = None
    swiglu_limit: Limit | None = None

    @classmethod
    def parse(cls, fields: Mapping[str, Any], *, nested: bool = False) -> tuple[Self, tuple[str, ...]]:
        """The checked keys, and which dimensions the family's defaults gave.

        Args:
            fields: of the file.
            nested: whether they stand in a file of more than this, which may leave dimensions out.

        Raises:
            pydantic.ValidationError: keys are missing or wrong.
        """
        known = dict(fields)
        assumed = []
        for name, value in cls.DIMENSIONS.items():
            names = [name, *_aliases(cls, name)]
            given = [key for key in names if key in fields]
            if (given or nested) and all(fields[key] is None for key in given):
                known |= dict.fromkeys(given or names[:1], value)
                assumed.append(f"{(given or names)[0]} {value}")
        return cls.model_validate(known), tuple(assumed)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, fields: Any) -> Any:  # noqa: ANN401 - whatever the caller has
        """A null of a key that cannot be null is what the family says where the key is not given."""
        if not isinstance(fields, dict):
            return fields
        keep = {
            key
            for name, field in cls.model_fields.items()
            if NoneType in get_args(field.annotation)
            for key in (name, *_aliases(cls, name))
        }
        return {key: value for key, value in fields.items() if value is not None or key in keep}

    @classmethod
    def keys(cls) -> frozenset[str]:
        """Every key that is read."""
        return frozenset(key for name in cls.model_fields for key in (name, *_aliases(cls, name)))

    @property
    def longest(self) -> int | None:
        """Longest sequence; None where the family has no bound and says none."""
        found: int | None = getattr(self, self.LENGTH)
        return found

    @property
    def length(self) -> int | None:
        """Sequence length of one sample where none is asked for: that of pre-training; None if not said."""
        ropes = (self.rope_scaling, self.rope_parameters)
        found = (rope.original_max_position_embeddings for rope in ropes if rope)
        return next(filter(None, (*found, self.original_max_position_embeddings)), self.longest)

    @abstractmethod
    def choices(self) -> dict[str, Any]:
        """Fields of `DecoderConfig`, except name, source and tokens."""

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """What single keys cannot show wrong about sequences of ``tokens``, as ``key: reason``.

        Uneven heads, and what a family adds.
        """
        width, heads = self.HEADS
        return uneven_heads(width, getattr(self, width), getattr(self, heads))

    def ignored(self) -> Iterator[str]:
        """What the file says that the network does not show, one sentence each."""
        yield from ()

    def decoder(self, *, name: str, source: str, tokens: int) -> DecoderConfig:
        """The dimensions as this project writes them."""
        choices = {"rotation": self.rotation(), **self.choices()}
        experts = choices.get("experts")
        if experts is not None and self.swiglu_limit:
            choices["experts"] = replace(experts, clamp=self.swiglu_limit)
        return DecoderConfig(name=name, source=source, tokens=tokens, **choices)

    def rotation(self) -> Rotation:
        """Angles of rotary positions as far as the file says them."""
        ropes = [rope for rope in (self.rope_parameters, self.rope_scaling) if rope]
        scaled = next((rope for rope in ropes if rope.rope_type not in UNSCALED), None)
        bases = (*(rope.rope_theta for rope in ropes), self.rope_theta)
        local = (*(rope.local_theta for rope in ropes), self.rope_local_base_freq)
        return Rotation(
            base=next(filter(None, bases), 0.0),
            local_base=next(filter(None, local), 0.0),
            scaling=scaled.rope_type or "" if scaled else "",
            numbers=scaled.numbers if scaled else (),
        )

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """The network.

        Raises:
            NetworkError: dimensions that do not go together; one line per fault.
        """
        return build_decoder(self.decoder(name=name, source=source, tokens=tokens))


def _aliases(family: type[BaseModel], name: str) -> tuple[str, ...]:
    found = family.model_fields[name].validation_alias
    if isinstance(found, AliasChoices):
        return tuple(str(choice) for choice in found.choices if choice != name)
    return ()


def rotated(size: int, share: float) -> int:
    """Features of a head that a share of it rotates; 0 for all of them."""
    return 0 if share == 1 else int(size * share)


def uneven_heads(what: str, total: int, heads: int) -> list[str]:
    """A fault if the heads do not share the features evenly."""
    if total % heads:
        return [f"{what}: found {total}; expected a multiple of the {heads} attention heads"]
    return []


def uneven_groups(what: str, groups: int, heads: int) -> list[str]:
    """A fault if key-value heads do not share the query heads evenly."""
    if heads % groups:
        return [f"{what}: found {groups}; expected a divisor of {heads} heads"]
    return []


def too_long(what: str, rows: int, tokens: int) -> list[str]:
    """A fault if a sample is longer than a table of positions."""
    if tokens > rows:
        return [f"{what}: found {rows}; expected at least the {tokens} tokens of a sample"]
    return []


def plain_choices(layers: int, hidden: int, heads: int) -> dict[str, Any]:
    """What GPT-2 and its relatives share: LayerNorm, biases, a plain feed-forward network."""
    return {
        "layers": layers,
        "hidden": hidden,
        "heads": heads,
        "kv_heads": heads,
        "head_size": hidden // heads,
        "gated": False,
        "normalization": "layernorm",
        "bias": True,
        "qkv_bias": True,
    }
