"""Families that differ from Llama in a detail.

Apertus, Arcee, BitNet, Seed-OSS, SmolLM 3, Helium, CWM, InternLM 3, Ministral, ERNIE 4.5, HunYuan and
EXAONE 3. Names and defaults are those of the configuration classes of Transformers 5.24; the modules of
InternLM 3 and EXAONE 3 are those of their authors' code.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from workloads.importers.families.base import Count, Function, Length, Probability, Window, alias
from workloads.importers.families.dense.llama import Llama, Mistral


class Arcee(Llama):
    """Arcee: Llama with squared ReLU and no gate."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Llama.DIMENSIONS,
        "hidden_size": 2560,
        "intermediate_size": 18432,
        "max_position_embeddings": 4096,
    }

    hidden_act: Function = "relu2"

    def choices(self) -> dict[str, Any]:
        """Llama's, without a gate."""
        return super().choices() | {"gated": False}


class SeedOss(Llama):
    """Seed-OSS: Llama with biases on queries, keys and values, and dropout on branches."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 155136,
        "hidden_size": 4096,
        "intermediate_size": 27648,
        "num_hidden_layers": 64,
        "num_attention_heads": 80,
        "max_position_embeddings": 524288,
    }

    num_key_value_heads: Count | None = 8
    head_dim: Count | None = 128
    attention_bias: bool = True
    attention_out_bias: bool = False
    attention_dropout: Probability = 0.1
    residual_dropout: Probability = 0.1

    def choices(self) -> dict[str, Any]:
        """Llama's, with a switch for each bias of attention."""
        return super().choices() | {
            "output_bias": self.attention_out_bias,
            "dropout": self.residual_dropout > 0,
        }


class Apertus(Llama):
    """Apertus: Llama with normalised heads and a plain feed-forward network through xIELU."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Llama.DIMENSIONS,
        "vocab_size": 131072,
        "intermediate_size": 14336,
        "max_position_embeddings": 65536,
    }

    hidden_act: Function | Literal["xielu"] = "xielu"  # type: ignore[assignment] # one function more

    @property
    def length(self) -> int | None:
        """The file's, or 8,192: its default scaling starts there."""
        said = self.rope_parameters or self.rope_scaling or self.original_max_position_embeddings
        return super().length if said else min(8192, self.max_position_embeddings)

    def choices(self) -> dict[str, Any]:
        """Llama's, without a gate."""
        return super().choices() | {"gated": False, "qk_norm": "head", "bias": False}


class BitNet(Llama):
    """BitNet: Llama with normalised inputs of both output projections and a squared ReLU."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 128256,
        "hidden_size": 2560,
        "intermediate_size": 6912,
        "num_hidden_layers": 30,
        "num_attention_heads": 20,
        "max_position_embeddings": 2048,
    }

    num_key_value_heads: Count | None = 5
    hidden_act: Function = "relu2"

    def ignored(self) -> Iterator[str]:
        """Rounding of weights and inputs in every step."""
        yield "model_type bitnet: rounding weights to three values in every step is not priced"

    def choices(self) -> dict[str, Any]:
        """Llama's, with those normalisations."""
        return super().choices() | {"sub_norm": True, "bias": False}


class SmolLm3(Llama):
    """SmolLM 3: Llama that does not rotate by position in every fourth layer."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 128256,
        "hidden_size": 2048,
        "intermediate_size": 11008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "max_position_embeddings": 32768,
    }

    num_key_value_heads: Count | None = 4
    tie_word_embeddings: bool = True
    use_sliding_window: bool = False
    no_rope_layers: list[Window] | None = None
    no_rope_layer_interval: Count = 4

    @property
    def _rotated(self) -> tuple[bool, ...]:
        """Whether each layer rotates: ones of ``no_rope_layers``, else all but every so-many-th."""
        if self.no_rope_layers:
            return tuple(bool(each) for each in self.no_rope_layers)
        every = self.no_rope_layer_interval
        return tuple((n + 1) % every != 0 for n in range(self.num_hidden_layers))

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and fewer entries than layers."""
        found, layers = super().faults(tokens), self.num_hidden_layers
        if len(self._rotated) != layers:
            found.append(
                f"no_rope_layers: found {len(self._rotated)}; expected one for each of {layers} layers"
            )
        return found

    def choices(self) -> dict[str, Any]:
        """Llama's, rotating in some layers."""
        return super().choices() | {"rotated": self._rotated}

    def default_windows(self, window: int) -> tuple[int, ...]:
        """Layers that do not rotate."""
        return tuple(0 if turned else window for turned in self._rotated)


class Helium(Llama):
    """Helium: Llama whose output projection never has a bias."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Llama.DIMENSIONS,
        "vocab_size": 48000,
        "hidden_size": 2560,
        "intermediate_size": 7040,
        "num_hidden_layers": 24,
        "num_attention_heads": 20,
        "max_position_embeddings": 4096,
    }

    head_dim: Count = 128
    num_key_value_heads: Count = 20

    def choices(self) -> dict[str, Any]:
        """Llama's, without that bias."""
        return super().choices() | {"output_bias": False}


class Cwm(Llama):
    """CWM: Llama with a window in three of four layers and no biases in attention."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 128256,
        "hidden_size": 6144,
        "intermediate_size": 21504,
        "num_hidden_layers": 64,
        "num_attention_heads": 48,
        "max_position_embeddings": 131072,
    }

    head_dim: Count | None = 128
    num_key_value_heads: Count | None = 8
    sliding_window: Window | None = 8192

    def choices(self) -> dict[str, Any]:
        """Llama's, without biases in attention."""
        return super().choices() | {"qkv_bias": False, "output_bias": False}

    def default_windows(self, window: int) -> tuple[int, ...]:
        """All but the first of four layers."""
        return 0, window, window, window


class InternLm3(Llama):
    """InternLM 3: Llama with one switch for biases of queries, keys and values, and one for all others."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 128512,
        "hidden_size": 4096,
        "intermediate_size": 10240,
        "num_hidden_layers": 48,
        "num_attention_heads": 32,
        "max_position_embeddings": 32768,
    }

    num_key_value_heads: Count | None = 2
    head_dim: Count | None = 128
    attention_bias: bool = alias("qkv_bias", "attention_bias", default=False)
    mlp_bias: bool = alias("bias", "mlp_bias", default=False)

    def choices(self) -> dict[str, Any]:
        """Llama's, with the output projection's bias as the feed-forward network's."""
        return super().choices() | {"output_bias": self.mlp_bias}


class Ministral(Mistral):
    """Ministral: Mistral with layers of two kinds where the file says so."""


class Ministral3(Mistral):
    """Ministral 3: Mistral without a window."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Mistral.DIMENSIONS,
        "vocab_size": 131072,
        "num_hidden_layers": 34,
        "max_position_embeddings": 262144,
    }

    head_dim: Count = 128
    sliding_window: Window | None = None


class Ernie45(Llama):
    """ERNIE 4.5: Llama with one switch for all biases and a tied head."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 103424,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 18,
        "num_attention_heads": 16,
        "max_position_embeddings": 131072,
    }

    num_key_value_heads: Count | None = 2
    head_dim: Count | None = 128
    tie_word_embeddings: bool = True
    use_bias: bool = False

    def choices(self) -> dict[str, Any]:
        """Llama's, with that switch."""
        return super().choices() | {
            "bias": self.use_bias,
            "qkv_bias": self.use_bias,
            "output_bias": self.use_bias,
        }


class HunYuan(Llama):
    """HunYuan's dense models: Llama with normalised queries and keys."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {**Llama.DIMENSIONS, "vocab_size": 290943}

    def choices(self) -> dict[str, Any]:
        """Llama's, with normalised heads and no biases in the feed-forward network."""
        return super().choices() | {"qk_norm": "head", "bias": False}


class Exaone(Llama):
    """EXAONE 3: Llama under names of its own."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Llama.DIMENSIONS,
        "vocab_size": 102400,
        "intermediate_size": 14336,
        "max_position_embeddings": 2048,
    }

    num_hidden_layers: Count = alias("num_layers", "num_hidden_layers")
    hidden_act: Function = alias("activation_function", "hidden_act", default="silu")
    max_position_embeddings: Length

    def choices(self) -> dict[str, Any]:
        """Llama's, without biases."""
        return super().choices() | {"bias": False, "qkv_bias": False, "output_bias": False}
