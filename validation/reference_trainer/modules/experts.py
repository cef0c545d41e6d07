"""Mixtures of experts: router, tokens sorted by expert, grouped products, tokens put back.

The network counts a balanced router. Tokens are sorted by the experts that they chose and cut into equal
parts, so every expert multiplies as many rows as the network says; at the edges of the parts a few rows go to
a neighbouring expert. Dispatch hands the places of its rows to the combination behind it.
"""

import torch

from validation.errors import TrainerError
from validation.reference_trainer.modules.site import Builder, Site, count_of
from workloads.layer import Layer

DEVIATION = 0.02


class Router(torch.nn.Linear):
    """Shares of all experts for every token."""

    def __init__(self, features: int, experts: int, *, bias: bool, correction: bool) -> None:
        super().__init__(features, experts, bias=bias)
        self.correction = torch.nn.Parameter(torch.zeros(experts)) if correction else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, features) to (batch, tokens, experts)."""
        scores = super().forward(x).float()
        return (scores if self.correction is None else scores + self.correction).softmax(-1)


class Dispatch(torch.nn.Module):
    """Rows of every expert's tokens; keeps their places and shares until they are combined."""

    def __init__(self, experts: int, chosen: int) -> None:
        super().__init__()
        self.experts, self.chosen = experts, chosen
        self.routes: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(self, x: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, features) to (experts, rows, features)."""
        best, which = shares.flatten(0, 1).topk(self.chosen, dim=-1)
        order = which.flatten().argsort(stable=True)
        places = order // self.chosen
        self.routes = places, best.flatten().index_select(0, order).to(x.dtype)
        rows = x.flatten(0, 1).index_select(0, places)
        if rows.shape[0] % self.experts:
            found = f"{rows.shape[0]} rows for {self.experts} experts"
            raise TrainerError(f"dispatch: {found}; expected a batch whose rows they divide")
        return rows.unflatten(0, (self.experts, -1))


class Experts(torch.nn.Module):
    """One product per expert."""

    def __init__(self, experts: int, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(experts, inputs, outputs).normal_(std=DEVIATION))
        self.bias = torch.nn.Parameter(torch.zeros(experts, 1, outputs)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(experts, rows, inputs) to (experts, rows, outputs)."""
        found = torch.bmm(x, self.weight)
        return found if self.bias is None else found + self.bias


class Combine(torch.nn.Module):
    """Adds rows up at their tokens, weighted by the router's shares."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self._before: list[Dispatch] = []  # in a list, so that it is no module of this one

    def follow(self, dispatch: Dispatch) -> None:
        """Read the places of rows from this dispatch."""
        self._before = [dispatch]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(experts, rows, features) to (batch, tokens, features)."""
        (before,) = self._before
        assert before.routes is not None  # noqa: S101 - dispatch runs before
        places, shares = before.routes
        before.routes = None
        rows = x.flatten(0, 1) * shares[:, None]
        count = rows.shape[0] // before.chosen
        found = rows.new_zeros(count, rows.shape[1]).index_add(0, places, rows)
        return found.unflatten(0, (-1, self.tokens))


def build_router(layer: Layer, _: Site) -> torch.nn.Module:
    """The projection to scores, and what balances the choice."""
    experts, correction = count_of(layer, "experts"), bool(layer.attributes["correction"])
    own = layer.parameters - (experts if correction else 0)
    features = own // experts
    return Router(features, experts, bias=own > features * experts, correction=correction)


def build_dispatch(layer: Layer, _: Site) -> torch.nn.Module:
    """As many rows as tokens and choices."""
    assert layer.token_exchange is not None  # noqa: S101 - every dispatch has one
    routing = layer.token_exchange.routing
    return Dispatch(routing.experts, routing.chosen)


def build_experts(layer: Layer, _: Site) -> torch.nn.Module:
    """A grouped product."""
    experts, outputs, bias = count_of(layer, "experts"), layer.output_shape[-1], layer.attributes["bias"]
    weights = layer.parameters - (experts * outputs if bias else 0)
    return Experts(experts, weights // experts // outputs, outputs, bias=bool(bias))


def build_combine(layer: Layer, _: Site) -> torch.nn.Module:
    """Back to one row per token."""
    return Combine(layer.output_shape[0])


MODULES: dict[str, Builder] = {
    "router": build_router,
    "dispatch": build_dispatch,
    "experts": build_experts,
    "combine": build_combine,
}
