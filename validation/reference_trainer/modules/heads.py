"""Queries, keys and values of all heads, as layers between their projection and the attention pass them."""

from typing import NamedTuple

import torch


class Heads(NamedTuple):
    """Each (batch, heads, tokens, head size); keys and values may have fewer heads."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
