"""ELECTRA as a base model; names and defaults of Transformers 5.24 (``ElectraConfig``)."""

from dataclasses import replace
from typing import ClassVar

from workloads.importers.families.base import Count
from workloads.importers.families.encoders.bert import Bert
from workloads.layers.projection import Projection, sequence_projection
from workloads.network import Network
from workloads.zoo.language.bert import build_encoder
from workloads.zoo.language.decoder.ends import embedding_layers


class Electra(Bert):
    """ELECTRA: BERT without a pooler, whose tables may be narrower than its layers."""

    POOLED: ClassVar[bool] = False
    embedding_size: Count = 128

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """Narrow tables, their sum normalised and widened, then BERT's encoder."""
        config = self.decoder(name=name, source=source, tokens=tokens)
        network = build_encoder(config, pooled=False)
        if self.embedding_size == self.hidden_size:
            return network
        tables = embedding_layers(replace(config, hidden=self.embedding_size, head_size=1))
        size = Projection(tokens=tokens, inputs=self.embedding_size, outputs=self.hidden_size)
        widen = sequence_projection("widen", tables[-1].name, size, bias=True)
        embedding, *others = network.blocks
        return replace(network, blocks=(replace(embedding, layers=(*tables, widen)), *others))
