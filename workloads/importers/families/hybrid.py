"""Stacks with state-space layers: Mamba-2 and Nemotron-H."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Family, Length, alias, uneven_groups
from workloads.network import Network
from workloads.zoo.language.mamba import KINDS, HybridConfig, build_hybrid


class Mamba2(Family):
    """Mamba-2: state-space layers alone."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 32768,
        "hidden_size": 4096,
        "num_hidden_layers": 64,
        "num_heads": 128,
    }

    vocab_size: Count
    hidden_size: Count
    num_hidden_layers: Count
    num_heads: Count
    head_dim: Count = 64
    n_groups: Count = 8
    state_size: Count = 128
    conv_kernel: Count = 4
    chunk_size: Count = 256
    max_position_embeddings: Length | None = None
    tie_word_embeddings: bool = False
    use_bias: bool = False
    use_conv_bias: bool = True

    @property
    def longest(self) -> int | None:
        """What the file says, if it does; there are no positions."""
        return self.max_position_embeddings

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Groups that heads do not share, and biases of other than released models."""
        found = uneven_groups("n_groups", self.n_groups, self.num_heads)
        if self.use_bias:
            found.append("use_bias: found true; expected false, as in released models")
        if not self.use_conv_bias:
            found.append("use_conv_bias: found false; expected true, as in released models")
        return found

    def choices(self) -> dict[str, Any]:
        """Fields of `HybridConfig`, except name, source and tokens."""
        return {
            "pattern": "M" * self.num_hidden_layers,
            "hidden": self.hidden_size,
            "mamba_heads": self.num_heads,
            "mamba_head_size": self.head_dim,
            "groups": self.n_groups,
            "state": self.state_size,
            "taps": self.conv_kernel,
            "chunk": self.chunk_size,
            "vocab": self.vocab_size,
            "tied": self.tie_word_embeddings,
        }

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """The stack."""
        return build_hybrid(HybridConfig(name=name, source=source, tokens=tokens, **self.choices()))


class NemotronH(Mamba2):
    """Nemotron-H: state-space, feed-forward and attention layers of one branch each, in a written order."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 131072,
        "hidden_size": 4096,
        "num_hidden_layers": 52,
        "num_attention_heads": 32,
        "intermediate_size": 21504,
        "max_position_embeddings": 4096,
        "hybrid_override_pattern": "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-",
    }

    num_heads: Count = alias("mamba_num_heads", default=128)
    head_dim: Count = alias("mamba_head_dim", default=64)
    state_size: Count = alias("ssm_state_size", default=128)
    chunk_size: Count = 256
    num_attention_heads: Count
    num_key_value_heads: Count = 8
    attention_head_dim: Count = alias("attention_head_dim", "head_dim", default=128)
    intermediate_size: Count
    hybrid_override_pattern: str
    max_position_embeddings: Length
    mlp_hidden_act: str = "relu2"

    def faults(self, tokens: int) -> list[str]:
        """Patterns of other lengths or letters, and functions of other than released models."""
        pattern, layers = self.hybrid_override_pattern, self.num_hidden_layers
        found = super().faults(tokens)
        found += uneven_groups("num_key_value_heads", self.num_key_value_heads, self.num_attention_heads)
        if len(pattern) != layers:
            found.append(
                f"hybrid_override_pattern: found {len(pattern)} letters; expected one for each "
                f"of {layers} layers"
            )
        if unknown := sorted(set(pattern) - set(KINDS)):
            found.append(
                f"hybrid_override_pattern: found {' '.join(unknown)}; expected some of {' '.join(KINDS)}"
            )
        if self.mlp_hidden_act != "relu2":
            found.append(f"mlp_hidden_act: found {self.mlp_hidden_act!r}; expected 'relu2'")
        return found

    def choices(self) -> dict[str, Any]:
        """Mamba-2's, with layers of other kinds between."""
        return super().choices() | {
            "pattern": self.hybrid_override_pattern,
            "heads": self.num_attention_heads,
            "kv_heads": self.num_key_value_heads,
            "head_size": self.attention_head_dim,
            "ffn": self.intermediate_size,
        }
