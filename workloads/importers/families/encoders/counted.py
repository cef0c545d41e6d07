"""Encoders whose parameters are counted and whose steps cannot be simulated: ALBERT, DeBERTa.

Names, defaults and modules are those of Transformers 5.24 (``AlbertConfig``, ``DebertaConfig``,
``DebertaV2Config``).
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator

from workloads.importers.families.base import Count, Whole
from workloads.importers.families.encoders.bert import Bert
from workloads.layer import Layer
from workloads.network import Network
from workloads.zoo.language.bert import build_encoder
from workloads.zoo.language.decoder.ends import embedding_layers


class Counted(Bert):
    """A relative of BERT with further parameters in its embedding and in every layer."""

    WHY: ClassVar[str]
    embedding_size: Count | None = None

    @abstractmethod
    def more(self) -> tuple[int, int]:
        """Parameters beside BERT's: of the embedding, and of every layer."""

    def build(self, *, name: str, source: str, tokens: int) -> Network:
        """BERT's blocks with those parameters, and the reason why no step is simulated."""
        config = self.decoder(name=name, source=source, tokens=tokens)
        network = build_encoder(config, pooled=self.POOLED)
        tables = embedding_layers(
            replace(config, hidden=self.embedding_size or self.hidden_size, head_size=1)
        )
        embedding, encoder, *others = network.blocks
        beside, within = self.more()
        blocks = (
            replace(embedding, layers=(_larger(tables[0], beside), *tables[1:])),
            replace(
                encoder,
                layers=tuple(_larger(layer, within * (layer.name == "qkv")) for layer in encoder.layers),
            ),
            *others,
        )
        return replace(network, blocks=blocks, obstacle=f"network {name}: {self.WHY}")


def _larger(layer: Layer, parameters: int) -> Layer:
    return replace(layer, parameters=layer.parameters + parameters)


class Albert(Counted):
    """ALBERT: groups of layers that many layers share, and tables narrower than they are."""

    WHY: ClassVar[str] = (
        "found layers that share their parameters; expected parameters of their own in every layer, "
        "which alone can be simulated"
    )
    embedding_size: Count | None = 128
    num_hidden_groups: Count = 1
    inner_group_num: Count = 1

    def choices(self) -> dict[str, Any]:
        """BERT's, with the layers that differ alone."""
        return super().choices() | {"layers": self.num_hidden_groups * self.inner_group_num}

    def more(self) -> tuple[int, int]:
        """The projection from the tables to the layers."""
        return ((self.embedding_size or self.hidden_size) + 1) * self.hidden_size, 0


def _parts(value: object) -> object:
    return [part.strip() for part in value.lower().split("|")] if isinstance(value, str) else value


class Deberta(Counted):
    """DeBERTa: attention with products of contents and relative positions."""

    WHY: ClassVar[str] = (
        "found attention with products of contents and relative positions; expected attention by "
        "contents, which alone can be simulated"
    )
    POOLED: ClassVar[bool] = False
    relative_attention: bool = False
    max_relative_positions: int = -1
    position_biased_input: bool = True
    pos_att_type: Annotated[list[str] | None, BeforeValidator(_parts)] = None
    talking_head: bool = False

    @property
    def positions(self) -> int:
        """Relative positions to either side."""
        return (
            self.max_relative_positions if self.max_relative_positions >= 1 else self.max_position_embeddings
        )

    def more(self) -> tuple[int, int]:
        """Positions, projections of them, and biases of queries and values alone."""
        hidden, kinds = self.hidden_size, self.pos_att_type or ()
        embedding = self._widened()
        if not self.relative_attention:
            return embedding, self._attention_biases()
        projections = ("c2p" in kinds) * hidden**2 + ("p2c" in kinds) * (hidden**2 + hidden)
        return embedding + 2 * self.positions * hidden, projections + self._attention_biases()

    def _widened(self) -> int:
        """Of the embedding: positions that are not added, and a projection of narrower tables."""
        width = self.embedding_size or self.hidden_size
        absent = 0 if self.position_biased_input else -self.max_position_embeddings * width
        if width == self.hidden_size:
            return absent
        return absent + width * self.hidden_size + 2 * (self.hidden_size - width)

    def _attention_biases(self) -> int:
        heads = self.num_attention_heads
        return 2 * heads**2 * self.talking_head - self.hidden_size


class DebertaV2(Deberta):
    """DeBERTa 2 and 3: positions in buckets, a convolution beside the first layer in some."""

    share_att_key: bool = False
    position_buckets: int = -1
    norm_rel_ebd: str = "none"
    conv_kernel_size: Whole = 0
    conv_groups: Count = 1

    def more(self) -> tuple[int, int]:
        """Positions, a norm of them, projections of them, and the convolution."""
        hidden, kinds = self.hidden_size, self.pos_att_type or ()
        embedding, layer = self._widened(), 0
        if self.relative_attention:
            embedding += 2 * (self.position_buckets if self.position_buckets > 0 else self.positions) * hidden
            if not self.share_att_key:
                layer = (("c2p" in kinds) + ("p2c" in kinds)) * (hidden**2 + hidden)
        if "layer_norm" in [part.strip() for part in self.norm_rel_ebd.lower().split("|")]:
            embedding += 2 * hidden
        if self.conv_kernel_size:
            embedding += hidden * (hidden // self.conv_groups) * self.conv_kernel_size + 3 * hidden
        return embedding, layer
