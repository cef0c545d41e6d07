"""The text part of Llama 3.2 Vision."""

from dataclasses import replace

from workloads.importers.families.base import Probability, Whole
from workloads.importers.families.dense.llama import Llama
from workloads.network import Network

FURTHER = 8
"""Rows of the token table beside the vocabulary, for images."""


class Mllama(Llama):
    """Llama with layers that attend to an image instead of to the text; it is counted only.

    What those layers have beside Llama's, a scale for queries and one for keys and two gates, is counted with
    the embedding (``MllamaCrossAttentionDecoderLayer`` of Transformers 5.24).
    """

    dropout: Probability = 0.0
    cross_attention_layers: list[Whole] = [3, 8, 13, 18, 23, 28, 33, 38]  # noqa: RUF012 - a field

    def faults(self, tokens: int) -> list[str]:
        """Llama's, and layers that the stack does not have or that are named twice."""
        found, across = super().faults(tokens), self.cross_attention_layers
        if len(set(across)) != len(across) or any(n >= self.num_hidden_layers for n in across):
            found.append(
                f"cross_attention_layers: found {across}; expected different numbers below the "
                f"{self.num_hidden_layers} layers"
            )
        return found

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """Llama's network with what further layers have; no step of it can be simulated."""
        network = super().build(name=name, source=source, tokens=tokens)
        embedding, *others = network.blocks
        table, *rest = embedding.layers
        size = self.head_dim or self.hidden_size // self.num_attention_heads
        more = FURTHER * self.hidden_size + len(self.cross_attention_layers) * (2 * size + 2)
        layers = (replace(table, parameters=table.parameters + more), *rest)
        across = f"{len(self.cross_attention_layers)} layers that attend to an image"
        obstacle = f"network {name}: found {across}; expected none, because only text can be simulated"
        return replace(network, blocks=(replace(embedding, layers=layers), *others), obstacle=obstacle)
