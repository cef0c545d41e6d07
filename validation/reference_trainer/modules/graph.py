"""Aggregation over the edges of a random graph with as many nodes and edges as the network says."""

import torch

from validation.reference_trainer.modules.site import Builder, Site, count_of
from workloads.layer import Layer

SEED = 7


class Aggregation(torch.nn.Module):
    """Adds what the sources of all edges have at their targets: gathers messages, then scatters them."""

    def __init__(self, sources: int, targets: int, edges: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(SEED)
        self.targets = targets
        self.register_buffer(
            "source", torch.randint(sources, (edges,), generator=generator), persistent=False
        )
        self.register_buffer(
            "target", torch.randint(targets, (edges,), generator=generator), persistent=False
        )
        self.register_buffer("scale", torch.full((targets, 1), targets / edges), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, sources, features) to (batch, targets, features)."""
        messages = x.index_select(1, self.source)
        sums = x.new_zeros(x.shape[0], self.targets, x.shape[2]).index_add(1, self.target, messages)
        return sums * self.scale.to(x.dtype)


class FirstRows(torch.nn.Module):
    """The targets among the sources."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, sources, features) to (batch, targets, features)."""
        return x[:, : self.rows]


def build_aggregation(layer: Layer, _: Site) -> torch.nn.Module:
    """Sums over edges without weights."""
    return Aggregation(count_of(layer, "sources"), count_of(layer, "targets"), count_of(layer, "edges"))


def build_view(layer: Layer, _: Site) -> torch.nn.Module:
    """The first rows."""
    return FirstRows(layer.output_shape[0])


MODULES: dict[str, Builder] = {"aggregation": build_aggregation, "view": build_view}
