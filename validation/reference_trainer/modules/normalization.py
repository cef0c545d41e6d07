"""Batch, layer and root-mean-square normalisation, and local response normalisation."""

import torch

from validation.reference_trainer.modules.heads import Heads
from validation.reference_trainer.modules.site import Builder, Site, count_of
from workloads.layer import Layer

KRIZHEVSKY = {"alpha": 1e-4, "beta": 0.75, "k": 2.0}
"""Constants of local response normalisation (Krizhevsky et al. 2012, section 3.3)."""


class HeadNorm(torch.nn.Module):
    """Normalises every head of the queries or of the keys."""

    def __init__(self, norm: torch.nn.Module, part: str) -> None:
        super().__init__()
        self.norm = norm
        self.part = part

    def forward(self, heads: Heads) -> Heads:
        """The heads with one part normalised."""
        return heads._replace(**{self.part: self.norm(getattr(heads, self.part))})


def build_normalization(layer: Layer, _: Site) -> torch.nn.Module:
    """The normalisation that the layer names; a scale, and a shift where the parameters hold one."""
    over, features = layer.attributes["over"], layer.output_shape[-1]
    if over == "batch":
        kinds = {1: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm2d, 4: torch.nn.BatchNorm3d}
        return kinds[len(layer.output_shape)](layer.output_shape[0])
    if over == "instance":
        maps = len(layer.output_shape) == 3
        kind = torch.nn.InstanceNorm2d if maps else torch.nn.InstanceNorm3d
        return kind(layer.output_shape[0], affine=True)
    if over == "layernorm":
        norm = torch.nn.LayerNorm(features, bias=layer.parameters > features)
    else:
        norm = torch.nn.RMSNorm(features)
    part = layer.attributes.get("part")
    return norm if part is None else HeadNorm(norm, str(part))


def build_response_normalization(layer: Layer, _: Site) -> torch.nn.Module:
    """Local response normalisation over this many channels."""
    return torch.nn.LocalResponseNorm(count_of(layer, "size"), **KRIZHEVSKY)


MODULES: dict[str, Builder] = {
    "normalization": build_normalization,
    "response_normalization": build_response_normalization,
}
