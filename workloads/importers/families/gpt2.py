"""GPT-2."""

from typing import Any

from pydantic import PositiveInt

from workloads.importers.families.base import (
    FUNCTIONS,
    Family,
    Function,
    Probability,
    plain_choices,
    uneven_heads,
)


class Gpt2(Family):
    """GPT-2."""

    vocab_size: PositiveInt
    n_positions: PositiveInt
    n_embd: PositiveInt
    n_layer: PositiveInt
    n_head: PositiveInt
    n_inner: PositiveInt | None = None
    activation_function: Function = "gelu_new"
    tie_word_embeddings: bool = True
    resid_pdrop: Probability = 0.1

    @property
    def length(self) -> int | None:
        """Rows of the position table."""
        return self.n_positions

    def faults(self, tokens: int) -> list[str]:
        """Uneven heads, sequences longer than the position table."""
        found = uneven_heads("n_embd", self.n_embd, self.n_head)
        if tokens > self.n_positions:
            found.append(
                f"n_positions: found {self.n_positions}; expected at least the {tokens} tokens of a sample"
            )
        return found

    def choices(self) -> dict[str, Any]:
        """Pre-normalised, learned positions, biases."""
        return plain_choices(self.n_layer, self.n_embd, self.n_head) | {
            "ffn": self.n_inner or 4 * self.n_embd,
            "vocab": self.vocab_size,
            "activation": FUNCTIONS[self.activation_function],
            "positions": "learned",
            "max_positions": self.n_positions,
            "tied": self.tie_word_embeddings,
            "dropout": self.resid_pdrop > 0,
        }
