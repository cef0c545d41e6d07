"""Mixtures of experts whose layers or experts are said by more than a table says.

Names and defaults are those of the configuration classes of Transformers 5.24; Arctic's those of its authors'
code. What balances the choice of experts (auxiliary losses, jitter, scaling of scores) costs nothing here.
"""

from typing import Any

from pydantic import Field

from workloads.importers.families.base import Count, Whole, alias, uneven_heads
from workloads.importers.families.dense.llama import Llama
from workloads.zoo.language.decoder.parts import Experts


class QwenExperts(Llama):
    """Experts as Qwen writes them: every so-many-th layer, but for some that are named.

    A network that all tokens take, where there is one, is scaled by a score.
    """

    num_experts: Whole = alias("num_experts", "num_local_experts", default=128)
    num_experts_per_tok: Count = 8
    moe_intermediate_size: Count = 768
    shared_expert_intermediate_size: Whole = 0
    decoder_sparse_step: Count = 1
    mlp_only_layers: list[Whole] = Field(default_factory=list)

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


class Grok1(Llama):
    """Grok-1: experts with a GELU gate, normalised branches, capped scores, a tied head.

    Its published files widen ``intermediate_size`` by two thirds of the ``widening_factor`` where they do not
    say it (hpcai-tech/grok-1, ``configuration_grok_1.py`` says 32,768).
    """

    def faults(self, tokens: int) -> list[str]:  # noqa: ARG002 - one signature for all families
        """Uneven heads."""
        return uneven_heads("hidden_size", self.hidden_size, self.num_attention_heads)


class Llama4(Llama):
    """The text part of Llama 4: chunked windows, layers without positions, one expert beside a shared one."""

    intermediate_size_mlp: Count = 16384
    attention_chunk_size: Whole | None = 8192
    num_local_experts: Count = 16
    num_experts_per_tok: Count = 1
    interleave_moe_layer_step: Count = 1
    moe_layers: list[Whole] | None = None
    no_rope_layers: list[Whole] | None = None
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
            "windows": tuple(chunk if each else 0 for each in turned),
            "rotated": tuple(bool(each) for each in turned),
            "experts": Experts(
                count=self.num_local_experts,
                chosen=self.num_experts_per_tok,
                ffn=self.intermediate_size,
                shared=self.intermediate_size,
                sparse=tuple(n in set(sparse) for n in range(layers)),
            ),
        }


class Arctic(Llama):
    """Arctic: experts in every so-many-th layer, and a dense network as wide as the stream beside them."""

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


class Ernie45Moe(Llama):
    """ERNIE 4.5 with experts in a range of layers."""

    moe_num_experts: Count = alias("moe_num_experts", "num_experts", default=64)
    moe_k: Count = alias("moe_k", "num_experts_per_tok", default=6)
    moe_intermediate_size: Count = 1536
    moe_num_shared_experts: Whole = 2
    moe_layer_start_index: Whole = 1
    moe_layer_end_index: int = -1
    moe_layer_interval: Count = 1

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


class HunYuanMoe(Llama):
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


class Afmoe(Llama):
    """AFMoE: gated and normalised heads, normalised branches, positions in windowed layers alone, experts."""

    global_attn_every_n_layers: Count = 4
    moe_intermediate_size: Count = 1408
    num_dense_layers: Whole = 1
    num_experts: Count = 64
    num_experts_per_tok: Count = 6
    num_shared_experts: Whole = 2

    def choices(self) -> dict[str, Any]:
        """Llama's, with gates, norms and experts."""
        windowed = tuple(bool(window) for window in self.windows()) or (False,)
        return super().choices() | {
            "rotated": windowed,
            "experts": Experts(
                count=self.num_experts,
                chosen=self.num_experts_per_tok,
                ffn=self.moe_intermediate_size,
                shared=self.num_shared_experts * self.moe_intermediate_size,
                correction=True,
                dense_layers=self.num_dense_layers,
            ),
        }

    def default_windows(self, window: int) -> tuple[int, ...]:
        """All but every so-many-th layer."""
        return (window,) * (self.global_attn_every_n_layers - 1) + (0,)
