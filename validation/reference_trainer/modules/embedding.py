"""Embedding tables, their sum, and the selection of some tokens."""

import torch

from validation.reference_trainer.modules.site import Builder, Site
from workloads.layer import Layer

DEVIATION = 0.02
"""Of initial table entries, as GPT-2 and BERT draw them; a tied head then starts near equal odds."""


class TokenTable(torch.nn.Embedding):
    """Looks up the vectors of tokens."""

    def reset_parameters(self) -> None:
        """Draw the table."""
        torch.nn.init.normal_(self.weight, std=DEVIATION)


class AddedTable(torch.nn.Module):
    """Adds a trained vector to each token, the one that ``index`` names for its place."""

    def __init__(self, rows: int, features: int, index: torch.Tensor) -> None:
        super().__init__()
        self.table = TokenTable(rows, features)
        self.register_buffer("index", index, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, features), unchanged in shape."""
        return x + self.table(self.index)


class Selection(torch.nn.Module):
    """Evenly spaced tokens; a single one is the first."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, features) to (batch, rows, features)."""
        places = torch.arange(self.rows, device=x.device) * x.shape[1] // self.rows
        return x.index_select(1, places)


def build_embedding(layer: Layer, _: Site) -> torch.nn.Module:
    """A table of tokens, positions or segments; the second half of a sequence is the second segment."""
    tokens, features = layer.output_shape
    rows = layer.parameters // features
    if layer.attributes["index"] == "token":
        return TokenTable(rows, features)
    places = torch.arange(tokens)
    index = places if layer.attributes["index"] == "position" else places * rows // tokens
    return AddedTable(rows, features, index)


def build_selection(layer: Layer, _: Site) -> torch.nn.Module:
    """Some tokens of a sequence."""
    return Selection(layer.output_shape[0])


MODULES: dict[str, Builder] = {"embedding": build_embedding, "selection": build_selection}
