"""Further mixtures of experts.

Arctic, Granite, ERNIE 4.5, HunYuan, MiniMax M2, Phi-3.5, DBRX, dots.llm1, FlexOlmo and Solar Open. Names and
defaults are those of the configuration classes of Transformers 5.24; Arctic's those of its authors' code.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from workloads.importers.families.base import Count, Family, Length, Probability, Window, alias, uneven_groups
from workloads.importers.families.dense.llama import Llama, Mistral
from workloads.importers.families.dense.llama_kin import Ernie45, HunYuan
from workloads.importers.families.dense.olmo import Olmo2
from workloads.importers.families.experts.deepseek import RoutedExperts
from workloads.importers.families.experts.mixtures import Maybe
from workloads.zoo.language.decoder.parts import Experts


class Arctic(Mistral):
    """Arctic: experts in every so-many-th layer, and a dense network as wide as the stream beside them."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Mistral.DIMENSIONS,
        "intermediate_size": 14336,
        "max_position_embeddings": 4096,
    }

    num_key_value_heads: Count | None = None
    sliding_window: Window | None = None
    num_local_experts: Count = 8
    num_experts_per_tok: Count = 1
    moe_layer_frequency: Count = 2
    parallel_attn_mlp_res: bool = False

    def choices(self) -> dict[str, Any]:
        """Mistral's, with experts."""
        every = self.moe_layer_frequency
        experts = Experts(
            count=self.num_local_experts,
            chosen=self.num_experts_per_tok,
            ffn=self.intermediate_size,
            behind=self.hidden_size if self.parallel_attn_mlp_res else 0,
            sparse=tuple((n + 1) % every == 0 for n in range(self.num_hidden_layers)),
        )
        return super().choices() | {"experts": experts}


class GraniteMoe(Llama):
    """Granite 3 with experts, and 4 with one network beside them that all tokens take."""

    num_local_experts: Count = 8
    num_experts_per_tok: Count = 2
    shared_intermediate_size: Maybe = 0

    def choices(self) -> dict[str, Any]:
        """Llama's, with experts."""
        experts = Experts(
            count=self.num_local_experts,
            chosen=self.num_experts_per_tok,
            ffn=self.intermediate_size,
            shared=self.shared_intermediate_size,
        )
        return super().choices() | {"bias": False, "experts": experts}


class Ernie45Moe(Ernie45):
    """ERNIE 4.5 with experts in a range of layers."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Ernie45.DIMENSIONS,
        "hidden_size": 2560,
        "intermediate_size": 12288,
        "num_hidden_layers": 28,
        "num_attention_heads": 20,
    }

    num_key_value_heads: Count | None = 4
    head_dim: Count | None = None
    moe_num_experts: Count = alias("moe_num_experts", "num_experts", default=64)
    moe_k: Count = alias("moe_k", "num_experts_per_tok", default=6)
    moe_intermediate_size: Count = 1536
    moe_num_shared_experts: Maybe = 2
    moe_layer_start_index: Maybe = 1
    moe_layer_end_index: int = -1
    moe_layer_interval: Count = 1

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and biases of experts, which no released model has."""
        found = super().faults(tokens)
        if self.use_bias:
            found.append("use_bias: found true; expected false, as in released models")
        return found

    def choices(self) -> dict[str, Any]:
        """ERNIE's, with experts."""
        layers, end = self.num_hidden_layers, self.moe_layer_end_index
        last = layers - 1 if end == -1 else end
        sparse = tuple(
            (n + 1) % self.moe_layer_interval == 0 and self.moe_layer_start_index <= n <= last
            for n in range(layers)
        )
        experts = Experts(
            count=self.moe_num_experts,
            chosen=self.moe_k,
            ffn=self.moe_intermediate_size,
            shared=self.moe_num_shared_experts * self.moe_intermediate_size,
            correction=True,
            sparse=sparse,
        )
        return super().choices() | {"experts": experts}


class HunYuanMoe(HunYuan):
    """HunYuan with experts, and one as wide as them that all tokens take."""

    num_experts: Count = alias("num_experts", "num_local_experts", default=1)
    moe_topk: Count | list[Count] = alias("moe_topk", "num_experts_per_tok", default=1)

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and layers that choose different numbers of experts."""
        found = super().faults(tokens)
        if isinstance(self.moe_topk, list) and len(set(self.moe_topk)) != 1:
            found.append(f"moe_topk: found {sorted(set(self.moe_topk))}; expected one number for all layers")
        return found

    def choices(self) -> dict[str, Any]:
        """HunYuan's, with experts."""
        chosen = self.moe_topk[0] if isinstance(self.moe_topk, list) else self.moe_topk
        width = self.intermediate_size
        experts = Experts(count=self.num_experts, chosen=chosen, ffn=width, shared=width)
        return super().choices() | {"experts": experts}


class MiniMaxM2(Llama):
    """MiniMax M2: queries and keys normalised over all heads, experts with biases that balance the choice."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 200064,
        "hidden_size": 3072,
        "intermediate_size": 1536,
        "num_hidden_layers": 62,
        "num_attention_heads": 48,
        "max_position_embeddings": 196608,
    }

    num_key_value_heads: Count = 8
    head_dim: Count = 128
    rotary_dim: Maybe | None = None
    num_local_experts: Count = alias("num_local_experts", "num_experts", default=256)
    num_experts_per_tok: Count = 8

    def choices(self) -> dict[str, Any]:
        """Llama's, with experts."""
        experts = Experts(
            count=self.num_local_experts,
            chosen=self.num_experts_per_tok,
            ffn=self.intermediate_size,
            correction=True,
        )
        turned = {"rotary_size": self.rotary_dim} if self.rotary_dim else {}
        return (
            super().choices()
            | turned
            | {
                "bias": False,
                "qkv_bias": False,
                "output_bias": False,
                "qk_norm": "width",
                "experts": experts,
            }
        )


class PhiMoe(Mistral):
    """Phi-3.5-MoE: LayerNorm, biases in attention and on the head where the file says so, experts."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Mistral.DIMENSIONS,
        "vocab_size": 32064,
        "intermediate_size": 6400,
    }

    sliding_window: Window | None = None
    lm_head_bias: bool = False
    num_local_experts: Count = 16
    num_experts_per_tok: Count = 2

    def choices(self) -> dict[str, Any]:
        """Mistral's heads, with experts."""
        experts = Experts(
            count=self.num_local_experts, chosen=self.num_experts_per_tok, ffn=self.intermediate_size
        )
        return super().choices() | {
            "normalization": "layernorm",
            "qkv_bias": self.attention_bias,
            "output_bias": self.attention_bias,
            "head_bias": self.lm_head_bias,
            "experts": experts,
        }


class DbrxAttention(BaseModel):
    """The `attn_config` object of a DBRX."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    kv_n_heads: Count = 1
    attn_pdrop: Probability = 0.0


class DbrxNetwork(BaseModel):
    """The `ffn_config` object of a DBRX."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)
    ffn_hidden_size: Count = 3584
    moe_num_experts: Count = 4
    moe_top_k: Count = 1


class Dbrx(Family):
    """DBRX: LayerNorm without shift, grouped queries, gated experts in every layer."""

    LENGTH: ClassVar[str] = "max_seq_len"
    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 32000,
        "d_model": 2048,
        "n_heads": 16,
        "n_layers": 24,
        "max_seq_len": 2048,
    }

    vocab_size: Count
    d_model: Count = alias("d_model", "hidden_size")
    n_heads: Count = alias("n_heads", "num_attention_heads")
    n_layers: Count = alias("n_layers", "num_hidden_layers")
    max_seq_len: Length = alias("max_seq_len", "max_position_embeddings")
    tie_word_embeddings: bool = False
    resid_pdrop: Probability = 0.0
    attn_config: DbrxAttention = DbrxAttention()
    ffn_config: DbrxNetwork = DbrxNetwork()

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads."""
        return [
            *uneven_groups("n_heads", self.n_heads, self.d_model),
            *uneven_groups("attn_config.kv_n_heads", self.attn_config.kv_n_heads, self.n_heads),
        ]

    def choices(self) -> dict[str, Any]:
        """Gated experts behind LayerNorm."""
        network = self.ffn_config
        return {
            "layers": self.n_layers,
            "hidden": self.d_model,
            "heads": self.n_heads,
            "kv_heads": self.attn_config.kv_n_heads,
            "head_size": self.d_model // self.n_heads,
            "ffn": network.ffn_hidden_size,
            "vocab": self.vocab_size,
            "gated": True,
            "activation": "silu",
            "normalization": "layernorm",
            "norm_shift": False,
            "positions": "rotary",
            "bias": False,
            "qkv_bias": False,
            "tied": self.tie_word_embeddings,
            "dropout": self.resid_pdrop > 0,
            "attention_dropout": self.attn_config.attn_pdrop > 0,
            "experts": Experts(
                count=network.moe_num_experts, chosen=network.moe_top_k, ffn=network.ffn_hidden_size
            ),
        }


class Dots1(RoutedExperts):
    """dots.llm1: Llama with normalised heads and DeepSeek's experts."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 152064,
        "hidden_size": 4608,
        "intermediate_size": 10944,
        "num_hidden_layers": 62,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
    }

    num_key_value_heads: Count | None = 32
    n_routed_experts: Maybe | None = None
    n_shared_experts: Maybe | None = None
    num_experts_per_tok: Count | None = None
    moe_intermediate_size: Count = 1408
    sliding_window: Window | None = 4096
    max_window_layers: Window = 62

    def choices(self) -> dict[str, Any]:
        """Llama's, with normalised heads."""
        return super().choices() | {"bias": False, "qk_norm": "head"}

    def default_windows(self, window: int) -> tuple[int, ...]:
        """Layers from ``max_window_layers`` on."""
        full = min(self.max_window_layers, self.num_hidden_layers)
        return (0,) * full + (window,) * (self.num_hidden_layers - full)


class FlexOlmo(Olmo2):
    """FlexOlmo: OLMo 2 with experts in every layer."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Olmo2.DIMENSIONS,
        "vocab_size": 100352,
        "max_position_embeddings": 4096,
    }

    num_experts: Count = alias("num_experts", "num_local_experts", default=7)
    num_experts_per_tok: Count = 5

    def choices(self) -> dict[str, Any]:
        """OLMo 2's, with experts."""
        experts = Experts(count=self.num_experts, chosen=self.num_experts_per_tok, ffn=self.intermediate_size)
        return super().choices() | {"experts": experts}


class SolarOpen(RoutedExperts):
    """Solar Open: Llama with DeepSeek's experts in every layer."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 196608,
        "hidden_size": 4096,
        "num_hidden_layers": 48,
        "num_attention_heads": 64,
        "max_position_embeddings": 131072,
    }

    intermediate_size: Count = 10240
    num_key_value_heads: Count = 8
    head_dim: Count = 128
    n_routed_experts: Maybe | None = 128
    n_shared_experts: Maybe | None = 1
    num_experts_per_tok: Count | None = 8
    moe_intermediate_size: Count = 1280

    def choices(self) -> dict[str, Any]:
        """Llama's, with experts."""
        return super().choices() | {"bias": False, "output_bias": False}
