"""GLM as Transformers writes it: GLM-4, GLM-4-0414, GLM-4.5 and GLM-4.7-Flash."""

from collections.abc import Mapping
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Probability, Window
from workloads.importers.families.dense.llama import Llama
from workloads.importers.families.experts.deepseek import DeepseekV3, RoutedExperts
from workloads.importers.families.experts.mixtures import Maybe

HALF = 0.5
"""Of every head, what is rotated by position."""


class Glm(Llama):
    """GLM-4: Llama with biases on queries, keys and values, half of every head rotated."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 151552,
        "hidden_size": 4096,
        "intermediate_size": 13696,
        "num_hidden_layers": 40,
        "num_attention_heads": 32,
        "max_position_embeddings": 131072,
    }

    num_key_value_heads: Count | None = 2
    head_dim: Count | None = 128
    attention_bias: bool = True
    partial_rotary_factor: Probability = HALF

    def choices(self) -> dict[str, Any]:
        """Llama's, without other biases."""
        return super().choices() | {"bias": False, "output_bias": False}


class Glm4(Glm):
    """GLM-4-0414: GLM-4 that also normalises what branches put out."""

    num_key_value_heads: Count = 2
    head_dim: Count = 128

    def choices(self) -> dict[str, Any]:
        """GLM-4's, with normalised branches."""
        return super().choices() | {"branch_norm": True}


class Glm4Moe(RoutedExperts):
    """GLM-4.5: Llama's layers with experts as DeepSeek V3 writes them."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 151552,
        "hidden_size": 4096,
        "intermediate_size": 10944,
        "num_hidden_layers": 46,
        "num_attention_heads": 96,
        "max_position_embeddings": 131072,
    }

    num_key_value_heads: Count | None = 8
    partial_rotary_factor: Probability = HALF
    use_qk_norm: bool = False
    n_routed_experts: Maybe | None = 128
    n_shared_experts: Maybe | None = 1
    num_experts_per_tok: Count | None = 8
    moe_intermediate_size: Count = 1408
    first_k_dense_replace: Window = 1

    def faults(self, tokens: int) -> list[str]:
        """Those of experts; heads are as wide as they are whole (4,096 features of 96 heads are 42 each)."""
        whole = self.model_copy(update={"head_dim": self.head_dim or self.hidden_size})
        return super(Glm4Moe, whole).faults(tokens)

    def choices(self) -> dict[str, Any]:
        """Llama's, with normalised heads where the file says so."""
        return super().choices() | {
            "bias": False,
            "output_bias": False,
            "qk_norm": "head" if self.use_qk_norm else "",
        }


class Glm4MoeLite(DeepseekV3):
    """GLM-4.7-Flash: DeepSeek V3's layers in other sizes."""

    DIMENSIONS: ClassVar[Mapping[str, Any]] = {
        "vocab_size": 154880,
        "hidden_size": 2048,
        "intermediate_size": 10240,
        "num_hidden_layers": 47,
        "num_attention_heads": 20,
        "max_position_embeddings": 202752,
    }

    n_routed_experts: Maybe | None = 64
    num_experts_per_tok: Count | None = 4
    moe_intermediate_size: Count = 1536
    first_k_dense_replace: Window = 1
    n_group: Count | None = 1
    topk_group: Count | None = 1
    q_lora_rank: Maybe | None = 768
    qk_nope_head_dim: Count = 192
    v_head_dim: Count = 256
