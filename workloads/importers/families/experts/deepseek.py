"""DeepSeek V2 and V3, Kimi K2, LongCat-Flash, and what writes its experts as they do.

Names and defaults are those of their authors' code on the model pages, which Transformers follows. What
balances the choice of experts (auxiliary losses, scaling of scores) costs nothing here; biases that balance
it are counted, although Transformers stores them as buffers.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

from workloads.importers.families.base import Count, Whole, alias
from workloads.importers.families.dense.llama import Llama
from workloads.network import Network
from workloads.zoo.language.decoder.parts import Experts, LatentAttention


class RoutedExperts(Llama):
    """Llama with experts as DeepSeek writes them: routed ones, shared ones, dense layers at the beginning."""

    CORRECTION: ClassVar[bool] = True

    n_routed_experts: Whole | None = 64
    n_shared_experts: Whole | None = 2
    num_experts_per_tok: Count | None = 6
    moe_intermediate_size: Count = 1407
    first_k_dense_replace: Whole = 0
    moe_layer_freq: Count = 1
    n_group: Count | None = 1
    topk_group: Count | None = 1
    num_nextn_predict_layers: Whole = 0
    mlp_layer_types: list[str] | None = None

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and kinds of feed-forward networks that are not known or fewer than the layers."""
        return [*super().faults(tokens), *self.network_faults()]

    def network_faults(self) -> Iterator[str]:
        """What is wrong with ``mlp_layer_types``."""
        kinds, layers = self.mlp_layer_types, self.num_hidden_layers
        if kinds is not None and len(kinds) != layers:
            yield f"mlp_layer_types: found {len(kinds)}; expected one for each of {layers} layers"
        for kind in sorted(set(kinds or ()) - {"dense", "sparse"}):
            yield f"mlp_layer_types: found {kind!r}; expected dense or sparse"

    def ignored(self) -> Iterator[str]:
        """Modules that predict further tokens."""
        if self.num_nextn_predict_layers:
            yield (
                f"num_nextn_predict_layers: found {self.num_nextn_predict_layers}; neither counted nor "
                "planned (deepseek-v3-mtp is registered with one)"
            )

    def choices(self) -> dict[str, Any]:
        """Llama's, with experts where there are some."""
        return super().choices() | ({"experts": self.experts()} if self.n_routed_experts else {})

    def experts(self) -> Experts:
        """Layers that ``mlp_layer_types`` names, or from ``first_k_dense_replace`` on every so-many-th."""
        grouped, layers = self.limits_groups(), self.num_hidden_layers
        sparse = tuple(
            n % self.moe_layer_freq == 0 and n >= self.first_k_dense_replace for n in range(layers)
        )
        if self.mlp_layer_types is not None:
            sparse = tuple(kind == "sparse" for kind in self.mlp_layer_types)
        return Experts(
            count=self.n_routed_experts or 1,
            chosen=self.num_experts_per_tok or 1,
            ffn=self.moe_intermediate_size,
            shared=(self.n_shared_experts or 0) * self.moe_intermediate_size,
            groups=self.n_group or 1 if grouped else 1,
            chosen_groups=self.topk_group or 1 if grouped else 1,
            correction=self.CORRECTION,
            sparse=sparse,
        )

    def limits_groups(self) -> bool:
        """Whether a token chooses groups of experts first: one group is none."""
        return True


class Glm4Moe(RoutedExperts):
    """GLM-4.5: Llama's layers with experts as DeepSeek V3 writes them."""

    def faults(self, tokens: int) -> list[str]:
        """Those of experts; heads are as wide as they are whole (4,096 features of 96 heads are 42 each)."""
        whole = self.model_copy(update={"head_dim": self.head_dim or self.hidden_size})
        return super(Glm4Moe, whole).faults(tokens)


class DeepseekV2(RoutedExperts):
    """DeepSeek V2: latent attention, shared experts, dense layers at the beginning.

    Keys and values come from one narrow vector, so ``head_dim`` says nothing and every head has its own.
    """

    CORRECTION: ClassVar[bool] = False

    topk_method: str = "greedy"
    q_lora_rank: Whole | None = 1536
    kv_lora_rank: Count = 512
    qk_nope_head_dim: Count = 128
    qk_rope_head_dim: Count = 64
    v_head_dim: Count = 128

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Kinds of feed-forward networks alone: heads have sizes of their own."""
        return list(self.network_faults())

    def choices(self) -> dict[str, Any]:
        """Llama's, with latent attention and experts."""
        return super().choices() | {
            "bias": False,
            "qkv_bias": self.attention_bias,
            "output_bias": self.attention_bias,
            "kv_heads": self.num_attention_heads,
            "head_size": self.qk_nope_head_dim + self.qk_rope_head_dim,
            "rotary_size": 0,
            "latent": LatentAttention(
                query_rank=self.q_lora_rank or 0,
                rank=self.kv_lora_rank,
                plain_size=self.qk_nope_head_dim,
                rotary_size=self.qk_rope_head_dim,
                value_size=self.v_head_dim,
            ),
        }

    def limits_groups(self) -> bool:
        """Whether a token chooses groups of experts first."""
        return self.topk_method != "greedy"


class DeepseekV3(DeepseekV2):
    """DeepSeek V3 and Kimi K2: biases that balance the choice, groups in every model that has some."""

    CORRECTION: ClassVar[bool] = True

    def limits_groups(self) -> bool:
        """Always: one group is none."""
        return True


class DeepseekV32(DeepseekV3):
    """DeepSeek V3.2: V3 whose queries attend to the keys that an indexer has chosen; it is counted only."""

    KINDS: ClassVar[frozenset[str]] = frozenset({"indexed_attention"})

    index_topk: Count = 2048
    index_head_dim: Count = 128
    index_n_heads: Count = 64
    indexer_types: list[str] | None = None
    q_lora_rank: Count = 1536

    def faults(self, tokens: int) -> list[str]:
        """V3's, and layers that take over what another's indexer chose."""
        found = super().faults(tokens)
        for kind in sorted(set(self.indexer_types or ()) - {"full"}):
            found.append(f"indexer_types: found {kind!r}; expected 'full' in every layer")
        return found

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """V3's network with the indexers' parameters; no step of it can be simulated."""
        network = super().build(name=name, source=source, tokens=tokens)
        heads, size = self.index_n_heads, self.index_head_dim
        indexer = self.q_lora_rank * heads * size + self.hidden_size * (size + heads) + 2 * size
        blocks = tuple(
            replace(
                block,
                layers=tuple(
                    replace(layer, parameters=layer.parameters + indexer)
                    if layer.name == "kv_down"
                    else layer
                    for layer in block.layers
                ),
            )
            for block in network.blocks
        )
        found = f"network {name}: found attention to the {self.index_topk:,} keys that an indexer chooses"
        obstacle = f"{found}; expected attention to all keys or in windows, which alone can be simulated"
        return replace(network, blocks=blocks, obstacle=obstacle)


class LongcatFlash(DeepseekV2):
    """LongCat-Flash: two attentions and two dense networks a layer, experts of which some hold nothing."""

    CORRECTION: ClassVar[bool] = True

    num_hidden_layers: Count = alias("num_layers", "num_hidden_layers")
    intermediate_size: Count = alias("ffn_hidden_size", "intermediate_size")
    q_lora_rank: Count = 1536
    n_routed_experts: Count = alias("n_routed_experts", "num_local_experts", default=512)
    num_experts_per_tok: Count = alias("moe_topk", "num_experts_per_tok", default=12)
    moe_intermediate_size: Count = alias("expert_ffn_hidden_size", default=2048)
    zero_expert_num: Whole = 256
    zero_expert_type: str = "identity"
    router_bias: bool = False

    def faults(self, tokens: int) -> list[str]:
        """Other experts than those that hold nothing, and biases of routers alone."""
        found = super().faults(tokens)
        if self.zero_expert_type != "identity":
            found.append(f"zero_expert_type: found {self.zero_expert_type!r}; expected 'identity'")
        return found

    def experts(self) -> Experts:
        """In every layer, ending behind its second half."""
        return replace(super().experts(), sparse=(), zero=self.zero_expert_num, shortcut=True)
