"""Recurrent layers: torch's own LSTM, GRU and tanh walks over a sequence, one way or both."""

from math import sqrt

import torch

from validation.reference_trainer.modules.site import Builder, Site, count_of
from workloads.layer import Layer
from workloads.layers.recurrent import GATES

WALKS = {"lstm": torch.lstm, "gru": torch.gru, "tanh": torch.rnn_tanh}


class Recurrence(torch.nn.Module):
    """One recurrent layer with as many biases as the network counts; torch's walk reads two of each."""

    def __init__(self, cell: str, inputs: int, hidden: int, *, directions: int, biases: int) -> None:
        super().__init__()
        self.cell, self.hidden, self.directions = cell, hidden, directions
        width, bound = GATES[cell] * hidden, 1 / sqrt(hidden)
        weights = []
        for _ in range(directions):
            for number, columns in enumerate((inputs, hidden)):
                weights.append(torch.empty(width, columns).uniform_(-bound, bound))
                if number < biases:
                    weights.append(torch.empty(width).uniform_(-bound, bound))
        self.weights = torch.nn.ParameterList(weights)
        self.biases = biases
        self.register_buffer("nothing", torch.zeros(width), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, steps, inputs) to (batch, steps, directions x hidden)."""
        state = x.new_zeros(self.directions, x.shape[0], self.hidden)
        start = (state, state) if self.cell == "lstm" else state
        options = (self.biases > 0, 1, 0.0, self.training, self.directions == 2, True)
        found: torch.Tensor = WALKS[self.cell](x, start, self._ordered(), *options)[0]
        return found

    def _ordered(self) -> list[torch.Tensor]:
        """Weights and biases as torch's walk wants them: inputs, state, bias of inputs, bias of state."""
        each = 2 + self.biases
        found: list[torch.Tensor] = []
        for way in range(self.directions):
            own = list(self.weights)[way * each : (way + 1) * each]
            matrices = [weight for weight in own if weight.dim() == 2]
            vectors = [weight for weight in own if weight.dim() == 1]
            if self.biases == 1:
                vectors.append(self.nothing)
            found += [*matrices, *vectors]
        return found


def build_recurrent(layer: Layer, _: Site) -> torch.nn.Module:
    """A recurrent layer."""
    return Recurrence(
        str(layer.attributes["cell"]),
        count_of(layer, "inputs"),
        count_of(layer, "hidden"),
        directions=count_of(layer, "directions"),
        biases=count_of(layer, "biases"),
    )


MODULES: dict[str, Builder] = {"recurrent": build_recurrent}
