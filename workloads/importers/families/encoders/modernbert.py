"""ModernBERT as a base model; names and defaults of Transformers 5.24 (``ModernBertConfig``)."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AliasChoices, Field

from workloads.importers.families.base import (
    FUNCTIONS,
    Count,
    Family,
    Function,
    Length,
    Probability,
)
from workloads.importers.families.dense.llama import SLIDING
from workloads.importers.families.encoders.bert import HEADS
from workloads.layers.tokens.token_norm import token_norm
from workloads.network import Block, Network
from workloads.zoo.language.decoder.ends import embedding_layers
from workloads.zoo.language.decoder.stack import build_network, decoder_blocks


class ModernBert(Family):
    """ModernBERT: rotary positions, gates, windows to both sides in two of three layers, few biases."""

    vocab_size: Count
    hidden_size: Count
    intermediate_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    max_position_embeddings: Length
    hidden_activation: Function = "gelu"
    norm_bias: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    layer_types: list[str] | None = None
    global_attn_every_n_layers: Count = 3
    local_attention: Annotated[
        Count, Field(validation_alias=AliasChoices("local_attention", "sliding_window"))
    ] = 128
    attention_dropout: Probability = 0.0

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, kinds of layers for another number of them."""
        found = super().faults(tokens)
        kinds, layers = self.layer_types, self.num_hidden_layers
        if kinds is not None and len(kinds) != layers:
            found.append(f"layer_types: found {len(kinds)}; expected one for each of {layers} layers")
        return found

    def ignored(self) -> Iterator[str]:
        """Heads."""
        yield HEADS

    def choices(self) -> dict[str, Any]:
        """An encoder's; a query of a windowed layer meets as many keys on either side, and itself."""
        layers, heads = range(self.num_hidden_layers), self.num_attention_heads
        every = self.global_attn_every_n_layers
        local = [n % every > 0 for n in layers]
        if self.layer_types is not None:
            local = [kind == SLIDING for kind in self.layer_types]
        window = 2 * (self.local_attention // 2) + 1
        return {
            "layers": self.num_hidden_layers,
            "hidden": self.hidden_size,
            "heads": heads,
            "kv_heads": heads,
            "head_size": self.hidden_size // heads,
            "ffn": self.intermediate_size,
            "vocab": self.vocab_size,
            "gated": True,
            "activation": FUNCTIONS[self.hidden_activation],
            "normalization": "layernorm",
            "norm_shift": self.norm_bias,
            "embedding_norm": True,
            "bare_layers": 1,
            "positions": "rotary",
            "windows": tuple(window if each else 0 for each in local),
            "bias": self.mlp_bias,
            "qkv_bias": self.attention_bias,
            "output_bias": self.attention_bias,
            "tied": False,
            "dropout": False,
            "attention_dropout": self.attention_dropout > 0,
            "causal": False,
        }

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """Embedding, encoder and final normalisation."""
        config = self.decoder(name=name, source=source, tokens=tokens)
        norm = token_norm(
            "norm", "input", kind="layernorm", tokens=tokens, features=self.hidden_size, shift=self.norm_bias
        )
        embedding = Block(name="embedding", layers=embedding_layers(config), recomputable=False)
        head = Block(name="head", layers=(norm,), recomputable=False)
        return build_network(config, (embedding, *decoder_blocks(config), head))
