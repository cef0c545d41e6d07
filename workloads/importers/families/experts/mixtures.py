"""Mixtures of experts: Mixtral, Qwen 2 and 3 MoE, GPT-OSS, Grok-1, Llama 4.

Names and defaults are those of the configuration classes of Transformers. What balances the choice of
experts (auxiliary losses, jitter, scaling of scores) costs nothing here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from workloads.importers.families.base import Count, Function, Length, Limit, Window, alias, uneven_heads
from workloads.importers.families.dense.llama import Llama, Mistral, Qwen2, Qwen3
from workloads.zoo.language.decoder.parts import Experts

Maybe = Annotated[int, Field(ge=0, le=10**9)]
"""A number of experts or layers that may be 0."""


class Mixtral(Mistral):
    """Mixtral: Mistral with experts in every layer."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {**Mistral.DIMENSIONS, "intermediate_size": 14336}

    sliding_window: Window | None = None
    num_local_experts: Count = 8
    num_experts_per_tok: Count = 2

    def choices(self) -> dict[str, Any]:
        """Mistral's, with experts."""
        experts = Experts(
            count=self.num_local_experts, chosen=self.num_experts_per_tok, ffn=self.intermediate_size
        )
        return super().choices() | {"experts": experts}


class QwenExperts(Llama):
    """Experts as Qwen writes them: every so-many-th layer, but for some that are named.

    A network that all tokens take, where there is one, is scaled by a score.
    """

    num_experts: Maybe = alias("num_experts", "num_local_experts", default=128)
    num_experts_per_tok: Count = 8
    moe_intermediate_size: Count = 768
    shared_expert_intermediate_size: Maybe = 0
    decoder_sparse_step: Count = 1
    mlp_only_layers: list[Maybe] = Field(default_factory=list)

    def choices(self) -> dict[str, Any]:
        """The family's, with experts if there are some."""
        if not self.num_experts:
            return super().choices()
        shared = self.shared_expert_intermediate_size
        experts = Experts(
            count=self.num_experts,
            chosen=self.num_experts_per_tok,
            ffn=self.moe_intermediate_size,
            shared=shared,
            shared_gate=shared > 0,
            sparse=self.sparse(),
        )
        return super().choices() | {"experts": experts}

    def sparse(self) -> tuple[bool, ...]:
        """Whether each layer has experts."""
        return tuple(
            (n + 1) % self.decoder_sparse_step == 0 and n not in self.mlp_only_layers
            for n in range(self.num_hidden_layers)
        )


class Qwen3Moe(QwenExperts, Qwen3):
    """Qwen 3 with experts."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Qwen2.DIMENSIONS,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 24,
    }

    num_key_value_heads: Count | None = 4


class Qwen2Moe(QwenExperts, Qwen2):
    """Qwen 1.5 and 2 with experts, and a network that all tokens take."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        **Qwen2.DIMENSIONS,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
    }

    num_key_value_heads: Count | None = 16
    num_experts: Maybe = alias("num_experts", "num_local_experts", default=60)
    num_experts_per_tok: Count = 4
    moe_intermediate_size: Count = 1408
    shared_expert_intermediate_size: Maybe = 5632
    qkv_bias: bool = True

    def choices(self) -> dict[str, Any]:
        """Qwen 2's, with experts."""
        return super().choices() | {"qkv_bias": self.qkv_bias}


class GptOss(Llama):
    """GPT-OSS: windows in turns, sinks, biases in attention, experts and router."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 201088,
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "num_hidden_layers": 36,
        "num_attention_heads": 64,
        "max_position_embeddings": 131072,
    }

    max_position_embeddings: Length = 131072
    num_key_value_heads: Count | None = 8
    head_dim: Count = 64
    attention_bias: bool = True
    sliding_window: Window | None = 128
    num_local_experts: Count = alias("num_local_experts", "num_experts", default=128)
    num_experts_per_tok: Count = alias("num_experts_per_tok", "experts_per_token", default=4)
    swiglu_limit: Limit = 7.0

    def default_windows(self, window: int) -> tuple[int, ...]:
        """The first of two layers."""
        return window, 0

    def choices(self) -> dict[str, Any]:
        """Llama's, with sinks and experts that have biases."""
        experts = Experts(
            count=self.num_local_experts,
            chosen=self.num_experts_per_tok,
            ffn=self.intermediate_size,
            bias=True,
            offset=1.0,
        )
        return super().choices() | {"bias": False, "sinks": True, "experts": experts}


class Grok1(Llama):
    """Grok-1: experts with a GELU gate, normalised branches, capped scores, a tied head.

    Its published files widen ``intermediate_size`` by two thirds of the ``widening_factor`` where they do not
    say it (hpcai-tech/grok-1, ``configuration_grok_1.py`` says 32,768).
    """

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 131072,
        "hidden_size": 6144,
        "intermediate_size": 32768,
        "num_hidden_layers": 64,
        "num_attention_heads": 48,
        "max_position_embeddings": 8192,
    }

    max_position_embeddings: Length = 8192
    num_key_value_heads: Count | None = 8
    hidden_act: Function = "gelu"
    num_experts: Count = 8
    num_experts_per_tok: Count = 2
    attn_output_multiplier: float = 1.0
    max_attn_value: Annotated[float, Field(ge=0, le=1e6)] = alias(
        "max_attn_value", "max_attn_val", "attn_logit_softcapping", default=30.0
    )
    tie_word_embeddings: bool = True

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads."""
        return uneven_heads("hidden_size", self.hidden_size, self.num_attention_heads)

    def choices(self) -> dict[str, Any]:
        """Llama's, with normalised branches, capped scores and experts."""
        experts = Experts(count=self.num_experts, chosen=self.num_experts_per_tok, ffn=self.intermediate_size)
        return super().choices() | {
            "bias": False,
            "branch_norm": True,
            "score_cap": self.max_attn_value,
            "experts": experts,
        }


class Llama4(Llama):
    """The text part of Llama 4: chunked windows, layers without positions, one expert beside a shared one."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 202048,
        "hidden_size": 5120,
        "intermediate_size": 8192,
        "num_hidden_layers": 48,
        "num_attention_heads": 40,
        "max_position_embeddings": 131072,
    }

    num_key_value_heads: Count | None = 8
    head_dim: Count = 128
    intermediate_size_mlp: Count = 16384
    attention_chunk_size: Window | None = 8192
    num_local_experts: Count = 16
    num_experts_per_tok: Count = 1
    interleave_moe_layer_step: Count = 1
    moe_layers: list[Maybe] | None = None
    no_rope_layers: list[Maybe] | None = None
    no_rope_layer_interval: Count = 4
    use_qk_norm: bool = True

    def choices(self) -> dict[str, Any]:
        """Llama's, with chunks where positions are rotated, and experts; norms of heads have no scale."""
        layers, step = self.num_hidden_layers, self.interleave_moe_layer_step
        sparse = range(step - 1, layers, step) if self.moe_layers is None else self.moe_layers
        every = self.no_rope_layer_interval
        turned = self.no_rope_layers or [int((n + 1) % every != 0) for n in range(layers)]
        chunk = self.attention_chunk_size or 0
        return super().choices() | {
            "ffn": self.intermediate_size_mlp,
            "bias": False,
            "windows": tuple(chunk if each else 0 for each in turned),
            "chunked": True,
            "rotated": tuple(bool(each) for each in turned),
            "experts": Experts(
                count=self.num_local_experts,
                chosen=self.num_experts_per_tok,
                ffn=self.intermediate_size,
                shared=self.intermediate_size,
                sparse=tuple(n in set(sparse) for n in range(layers)),
            ),
        }
