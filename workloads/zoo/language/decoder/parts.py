"""Parts that some transformer stacks have: latent attention, experts, heads that differ, mixers."""

from dataclasses import dataclass

from workloads.layers.tokens.delta_rule import DeltaRule
from workloads.layers.tokens.gated_convolution import GatedConvolution
from workloads.layers.tokens.lightning import LightningAttention
from workloads.layers.tokens.selective_scan import SelectiveScan
from workloads.layers.tokens.state_space import StateSpace
from workloads.operators import Routing

Mixer = DeltaRule | GatedConvolution | LightningAttention | SelectiveScan | StateSpace
"""What stands in attention's place in some layers of hybrid stacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention: keys and values come from a narrow vector per token.

    DeepSeek-AI 2024 (arXiv:2405.04434), section 2.1. Trained as written there, without absorbing the
    up-projections into their neighbours.

    Attributes:
        query_rank: features of the vector that queries come from; 0 where they come from the residual stream.
        rank: features of the vector that keys and values come from.
        plain_size, rotary_size: features of a query and key without and with position; the rotated features
            of the key are shared by all heads.
        value_size: features of a value.
    """

    query_rank: int = 0
    rank: int
    plain_size: int
    rotary_size: int
    value_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts:
    """Feed-forward networks of which every token takes some (:mod:`workloads.layers.tokens.experts`).

    Attributes:
        count: experts of a layer that tokens choose among.
        chosen: experts of each token.
        ffn: features inside an expert (of each half when gated).
        shared: features inside the network that every token takes beside them; 0 for none.
        shared_gate: the shared network's output is scaled by a score of the token (Qwen 2 MoE).
        normed: router, experts and shared network read normalisations of their own, and the outputs of the
            last two are normalised before they are added up (Gemma 4).
        zero: further experts that tokens may choose and that pass them on as they are, holding nothing and
            computing nothing (LongCat).
        behind: features inside a dense network behind attention, beside experts that read what the layer
            reads (Arctic); 0 for none.
        shortcut: experts run beside the dense network, a second attention and a second such network
            (LongCat).
        groups, chosen_groups: of experts, and how many of them a token may choose from; 1 for no groups.
        bias: experts and router add biases (GPT-OSS).
        clamp: the activation function reads no more than this, and what it scales lies within +- this
            (GPT-OSS); 0 for no limit.
        offset: is added to what the activation function scales, which is then x sigmoid(1.702 x) (GPT-OSS).
        correction: experts have biases that balance the choice (DeepSeek V3), or scales (Gemma 4).
        latent: features that tokens are narrowed to on their way through the experts, by a projection before
            and one behind them (Nemotron 3); 0 where they pass as they are.
        sparse: whether each layer has experts rather than one network, layers taking turns; () for all.
        dense_layers: layers at the beginning of the stack that have none.
        capacity: rows that an expert computes over those of a balanced router, tokens beyond them being
            dropped (Fedus et al. 2021, arXiv:2101.03961, section 2.2); 0 for as many as come (dropless).
        imbalance: tokens of the busiest expert-parallel rank over the mean; at least 1.
    """

    count: int
    chosen: int
    ffn: int
    shared: int = 0
    shared_gate: bool = False
    normed: bool = False
    zero: int = 0
    behind: int = 0
    shortcut: bool = False
    groups: int = 1
    chosen_groups: int = 1
    bias: bool = False
    clamp: float = 0.0
    offset: float = 0.0
    correction: bool = False
    latent: int = 0
    sparse: tuple[bool, ...] = ()
    dense_layers: int = 0
    capacity: float = 0.0
    imbalance: float = 1.0

    @property
    def routing(self) -> Routing:
        """How tokens choose; with a capacity every expert computes all of it, and no rank more.

        Of experts that a balanced router chooses, some hold nothing and are not counted.
        """
        return Routing(
            experts=self.count,
            chosen=max(1, round(self.chosen * self.count / (self.count + self.zero))),
            load=self.imbalance,
            capacity=self.capacity,
            groups=self.groups,
            chosen_groups=self.chosen_groups,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """Heads of some layers, where they differ from those of the rest.

    Attributes:
        kv_heads, head_size, value_size, rotary_size, shared_values, sinks: as in ``DecoderConfig``.
    """

    kv_heads: int
    head_size: int
    value_size: int = 0
    rotary_size: int = 0
    shared_values: bool = False
    sinks: bool = False
