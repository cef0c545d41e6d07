"""Attention between its projections: head layout, rotary positions and the core.

The core runs as the stack says. ``unfused``: the kernels of the layer's own operators, with the score matrix
in memory. Otherwise ``scaled_dot_product_attention``, which picks a tiled kernel where the device has one.
Rotary angles have base 10,000 (Su et al. 2021, arXiv:2104.09864), linear biases the slopes of Press et al.
2021 (arXiv:2108.12409), written per key: softmax does not see what a whole row shares.
"""

from functools import lru_cache

import torch

from validation.reference_trainer.modules.heads import Heads
from validation.reference_trainer.modules.orders import build_order
from validation.reference_trainer.modules.site import Builder, Site, count_of, rate_of
from workloads.layer import Layer
from workloads.operators import AttentionShape

BASE = 10_000.0


class SplitHeads(torch.nn.Module):
    """Copies queries, keys and values into per-head layout."""

    def __init__(self, heads: int, kv_heads: int, head_size: int) -> None:
        super().__init__()
        self.counts = (heads, kv_heads, kv_heads)
        self.head_size = head_size

    def forward(self, x: torch.Tensor) -> Heads:
        """(batch, tokens, (heads + 2 kv heads) x head size) to heads."""
        parts = x.unflatten(-1, (-1, self.head_size)).split(self.counts, dim=2)
        query, key, value = (part.transpose(1, 2).contiguous() for part in parts)
        return Heads(query, key, value)


class MergeHeads(torch.nn.Module):
    """Joins the heads' outputs of each token."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, heads, tokens, head size) to (batch, tokens, heads x head size)."""
        return x.transpose(1, 2).flatten(2)


class Rotary(torch.nn.Module):
    """Rotates queries and keys by their position."""

    def forward(self, heads: Heads) -> Heads:
        """The heads, queries and keys rotated."""
        query = heads.query
        angles = _angles(query.shape[2], query.shape[3], query.device)
        cosine, sine = (table.to(query.dtype) for table in angles)
        turned, key = (x * cosine + _half_turn(x) * sine for x in (query, heads.key))
        return Heads(turned, key, heads.value)


class FusedAttention(torch.nn.Module):
    """The core as one kernel."""

    def __init__(self, core: AttentionShape, *, rate: float, alibi: bool) -> None:
        super().__init__()
        self.core, self.rate, self.alibi = core, rate, alibi

    def forward(self, heads: Heads) -> torch.Tensor:
        """Heads to (batch, heads, tokens, head size)."""
        core, query = self.core, heads.query
        mask = _bias_mask(core, query.device).to(query.dtype) if self.alibi else None
        return torch.nn.functional.scaled_dot_product_attention(
            *heads,
            attn_mask=mask,
            dropout_p=self.rate if self.training else 0.0,
            is_causal=core.causal and mask is None,
            enable_gqa=core.kv_heads != core.heads,
        )


class UnfusedAttention(FusedAttention):
    """The core kernel by kernel: scores, scale, bias, mask, softmax, dropout, context.

    The heads that share a key stand below one another in one product, so that no key is copied.
    """

    def forward(self, heads: Heads) -> torch.Tensor:
        """Heads to (batch, heads, tokens, head size)."""
        core, query = self.core, heads.query
        tokens, size = core.query_tokens, core.head_size
        grouped = query.reshape(-1, core.kv_heads, core.heads // core.kv_heads * tokens, size)
        scores = torch.matmul(grouped, heads.key.transpose(-2, -1)).mul_(size**-0.5)
        scores = scores.view(-1, core.heads, tokens, core.key_tokens)
        if self.alibi:
            scores = scores.add_(_key_bias(core.heads, core.key_tokens, query.device))
        if core.causal:
            scores = scores.masked_fill_(_future(tokens, query.device), float("-inf"))
        shares = torch.nn.functional.dropout(scores.softmax(-1), self.rate, self.training)
        context = torch.matmul(shares.view(*grouped.shape[:3], core.key_tokens), heads.value)
        return context.view(-1, core.heads, tokens, size)


@lru_cache(maxsize=8)
def _angles(tokens: int, size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine by position and feature, (tokens, size) each."""
    speeds = BASE ** -(torch.arange(0, size, 2, device=device) / size)
    angles = torch.outer(torch.arange(tokens, device=device), speeds).repeat(1, 2)
    return angles.cos(), angles.sin()


@lru_cache(maxsize=8)
def _future(tokens: int, device: torch.device) -> torch.Tensor:
    """True where a key comes after its query, (tokens, tokens)."""
    return torch.ones(tokens, tokens, dtype=torch.bool, device=device).triu(1)


@lru_cache(maxsize=8)
def _key_bias(heads: int, keys: int, device: torch.device) -> torch.Tensor:
    """Slope times position of each key, (heads, 1, keys)."""
    slopes = 2 ** (-8 / heads * torch.arange(1, heads + 1, device=device))
    return slopes[:, None, None] * torch.arange(keys, device=device)


@lru_cache(maxsize=8)
def _bias_mask(core: AttentionShape, device: torch.device) -> torch.Tensor:
    """Linear biases with the causal mask, (heads, tokens, tokens)."""
    bias = _key_bias(core.heads, core.key_tokens, device).repeat(1, core.query_tokens, 1)
    return bias.masked_fill(_future(core.query_tokens, device), float("-inf")) if core.causal else bias


def _half_turn(x: torch.Tensor) -> torch.Tensor:
    """(-second half, first half) of the features."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


def build_layout(layer: Layer, _: Site) -> torch.nn.Module:
    """Split or merge of heads, or another order of tokens and pixels."""
    if layer.attributes["operation"] == "merge":
        return MergeHeads()
    if layer.attributes["operation"] != "split":
        return build_order(layer)
    heads, kv_heads, head_size = (count_of(layer, name) for name in ("heads", "kv_heads", "head_size"))
    return SplitHeads(heads, kv_heads, head_size)


def build_attention(layer: Layer, site: Site) -> torch.nn.Module:
    """The core, fused or not as the stack says."""
    assert layer.core is not None  # noqa: S101 (every attention layer has one)
    kind = UnfusedAttention if site.attention == "unfused" else FusedAttention
    return kind(layer.core, rate=rate_of(layer), alibi=bool(layer.attributes["alibi"]))


MODULES: dict[str, Builder] = {
    "attention": build_attention,
    "layout": build_layout,
    "rotary": lambda _layer, _site: Rotary(),
}
