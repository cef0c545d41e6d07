"""Switch transformers: T5 whose feed-forward networks are experts in some layers, one for each token."""

from typing import Any

from pydantic import Field

from workloads.importers.families.base import Count
from workloads.importers.families.encoders.t5 import T5
from workloads.zoo.language.decoder.parts import Experts


class Switch(T5):
    """Of every ``num_layers // num_sparse_encoder_layers`` layers the second has experts; all if that is 1.

    Transformers bounds what an expert takes by ``expert_capacity`` tokens of a batch, which is no share of a
    balanced router, so as many are computed as come.
    """

    num_experts: Count = 8
    num_sparse_encoder_layers: int = Field(3, ge=0)
    num_sparse_decoder_layers: int = Field(3, ge=0)
    router_bias: bool = False

    def faults(self, tokens: int) -> list[str]:
        """T5's, and more layers with experts than a stack has."""
        found, decoder_layers = super().faults(tokens), self.num_decoder_layers or self.num_layers
        for stack, layers in (("encoder", self.num_layers), ("decoder", decoder_layers)):
            key = f"num_sparse_{stack}_layers"
            if (sparse := getattr(self, key)) > layers:
                found.append(f"{key}: found {sparse}; expected at most the {layers} layers")
        return found

    def choices(self) -> dict[str, Any]:
        """Fields of `EncoderDecoderConfig`, except name, source and tokens."""
        decoder_layers = self.num_decoder_layers or self.num_layers
        return super().choices() | {
            "experts": self._experts(self.num_layers, self.num_sparse_encoder_layers),
            "decoder_experts": self._experts(decoder_layers, self.num_sparse_decoder_layers),
        }

    def _experts(self, layers: int, sparse: int) -> Experts:
        """Experts of a stack and the layers that have them."""
        step = layers // sparse if sparse else layers
        pattern = tuple(sparse > 0 and place % step == (1 if step > 1 else 0) for place in range(layers))
        return Experts(count=self.num_experts, chosen=1, ffn=self.d_ff, sparse=pattern)
