"""Stacks with state-space layers: Mamba-2 and Nemotron-H."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from workloads.importers.families.base import Count, Family, Length, Whole, alias, uneven_groups
from workloads.network import Network
from workloads.zoo.language.decoder.parts import Experts
from workloads.zoo.language.mamba import KINDS, HybridConfig, build_hybrid

LETTERS = {
    "linear_attention": "M",
    "mamba": "M",
    "moe": "E",
    "full_attention": "*",
    "attention": "*",
    "mlp": "-",
}
"""Layers of Nemotron-H by their word in ``layers_block_type``."""


class Mamba2(Family):
    """Mamba-2: state-space layers alone."""

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

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Groups that heads do not share."""
        return uneven_groups("n_groups", self.n_groups, self.num_heads)

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
            "mixer_bias": self.use_bias,
            "conv_bias": self.use_conv_bias,
            "vocab": self.vocab_size,
            "tied": self.tie_word_embeddings,
        }

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """The stack."""
        return build_hybrid(HybridConfig(name=name, source=source, tokens=tokens, **self.choices()))


class NemotronH(Mamba2):
    """Nemotron-H: state-space, feed-forward, attention and expert layers of one branch each, never tied."""

    num_heads: Count = alias("mamba_num_heads", default=128)
    head_dim: Count = alias("mamba_head_dim", default=64)
    n_groups: Count = alias("n_groups", "mamba_n_groups", default=8)
    conv_kernel: Count = alias("conv_kernel", "mamba_d_conv", default=4)
    state_size: Count = alias("ssm_state_size", default=128)
    chunk_size: Count = alias("chunk_size", "mamba_chunk_size", default=128)
    use_conv_bias: bool = alias("use_conv_bias", "mamba_conv_bias", default=True)
    num_attention_heads: Count
    num_key_value_heads: Count = 8
    attention_head_dim: Count = alias("attention_head_dim", "head_dim", default=128)
    intermediate_size: Count
    hybrid_override_pattern: str
    layers_block_type: list[str] | None = alias("layers_block_type", "layer_types", default=None)
    max_position_embeddings: Length
    mlp_hidden_act: str = "relu2"
    mlp_bias: bool = False
    n_routed_experts: Whole = 8
    num_experts_per_tok: Count = 2
    n_shared_experts: Whole = 1
    moe_intermediate_size: Count = 7688
    moe_shared_expert_intermediate_size: Count = 7688
    moe_latent_size: Count | None = None
    n_group: Count = 1
    topk_group: Count = 1
    num_nextn_predict_layers: Whole = 0

    @classmethod
    def parse(cls, fields: Mapping[str, Any], *, nested: bool = False) -> tuple[Self, tuple[str, ...]]:
        """The checked keys; the order of layers is a word for each in later files, a letter in first ones."""
        kinds = fields.get("layers_block_type") or fields.get("layer_types")
        if isinstance(kinds, list) and fields.get("hybrid_override_pattern") is None:
            pattern = "".join(LETTERS.get(str(kind), "?") for kind in kinds)
            layers = fields.get("num_hidden_layers") or len(kinds)
            fields = {**fields, "hybrid_override_pattern": pattern, "num_hidden_layers": layers}
        return super().parse(fields, nested=nested)

    def ignored(self) -> Iterator[str]:
        """Modules that predict further tokens."""
        if self.num_nextn_predict_layers:
            found = self.num_nextn_predict_layers
            yield f"num_nextn_predict_layers: found {found}; neither counted nor planned"

    def faults(self, tokens: int) -> list[str]:
        """Patterns of other lengths or letters, functions of other than released models."""
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
        if self.mlp_bias and "E" in pattern:
            found.append("mlp_bias: found true; expected false with experts, as in released models")
        return found

    def choices(self) -> dict[str, Any]:
        """Mamba-2's, with layers of other kinds between."""
        shared = self.moe_shared_expert_intermediate_size if self.n_shared_experts else 0
        experts = Experts(
            count=self.n_routed_experts or 1,
            chosen=self.num_experts_per_tok,
            ffn=self.moe_intermediate_size,
            shared=shared,
            groups=self.n_group,
            chosen_groups=self.topk_group,
            correction=True,
            latent=self.moe_latent_size or 0,
        )
        return super().choices() | {
            "pattern": self.hybrid_override_pattern,
            "heads": self.num_attention_heads,
            "kv_heads": self.num_key_value_heads,
            "head_size": self.attention_head_dim,
            "ffn": self.intermediate_size,
            "bias": self.mlp_bias,
            "tied": False,
            "experts": experts if "E" in self.hybrid_override_pattern else None,
        }
