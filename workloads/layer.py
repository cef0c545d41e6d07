"""Layers: named parts of a network, with the operators of their three passes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from workloads.exchange import Halo, Tables
from workloads.operators import (
    FILTER_TRANSFORM,
    PRODUCTS,
    AttentionShape,
    Division,
    ExpertSplit,
    Operator,
    Pass,
    Routing,
    Split,
)
from workloads.weight_format import WeightFormat

Attribute = int | float | str | tuple[int, ...]

KEEPS_INDICES, KEEPS_MAPS = "indices", "maps"
POOLING = (KEEPS_INDICES, KEEPS_MAPS)
"""What pooling keeps: its input and 8-byte indices of the maxima (PyTorch: derivatives.yaml at v2.5.1,
``max_pool2d_with_indices`` and ``avg_pool2d``), or maps alone, from which the backward kernel of maxima finds
them again, and nothing for averages (cuDNN's ``cudnnPoolingBackward``, TensorFlow's ``MaxPoolGrad`` and
``AvgPoolGrad``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedActivation:
    """A tensor the forward pass keeps for the backward pass.

    Attributes:
        name: what it is.
        elements: per sample.
        split: how tensor parallelism divides it (SEQUENCE: only with sequence parallelism).
        element_size: [bytes] per element; 0 for the precision's activation size (a dropout mask has 1).
        fused: True if a fused (flash) attention kernel does not keep it (scores, probabilities, their mask).
        fusion: group of operators (`Operator.fusion`) that keeps it unless a stack runs it as one kernel.
        kept_by: the only way of pooling that keeps it, one of ``POOLING`` (`Stack.pooling`); "" for all.
        kernel: group of operators (`Operator.fusion`) that keeps it only where a stack runs it as one kernel.
    """

    name: str
    elements: int
    split: Division = Split.REPLICATED
    element_size: int = 0
    fused: bool = False
    fusion: str = ""
    kept_by: str = ""
    kernel: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenExchange:
    """Tokens on their way to their experts, or back.

    Attributes:
        elements: of all tokens of a sample, each once.
        routing: which experts they go to.
        back: from the experts instead of to them.
    """

    elements: int
    routing: Routing
    back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A named part of a network. Counts are per sample, for the undivided network.

    Attributes:
        name: unique in its block.
        kind: builder family (``convolution``, ``linear``, ``attention``, ``normalization`` ...).
        inputs: names of the layers of the same block it reads; ``"input"`` is the block's input.
        output_shape: of one sample, without the batch axis.
        parameters: trainable elements.
        parameter_split: how tensor parallelism divides the parameters.
        forward, input_gradient, weight_gradient: operators of each pass, in launch order.
        saved: what the forward pass keeps for the backward pass.
        selective: True for the attention core, which selective recomputation computes again.
        tensor_entry: activation elements at which a column-parallel region begins (Megatron's f: identity
            forward, all-reduce backward; with sequence parallelism all-gather forward, reduce-scatter
            backward); 0 if none.
        tensor_exit: elements at which it ends (Megatron's g: all-reduce forward, identity backward; with
            sequence parallelism reduce-scatter forward, all-gather backward); 0 if none.
        core: dimensions of the attention core, whose keys and values context parallelism passes round; a
            stack with fused attention runs it as one kernel instead of the layer's operators; None for every
            other layer.
        token_exchange: tokens that the layer sends to experts or back; None for every other layer.
        narrow: whether 8-bit training narrows its products (it keeps the output projection in 16 bit).
        tied: name of the layer whose parameters these are (``block/layer``); counted there, ``""`` if own.
        exchange: what ranks that share a sample exchange here (parts of a graph, of tables); None for
            nothing. Parameters in ``Tables`` are divided over these ranks, updated in the backward pass, and
            have no gradient that is kept.
        weight_format: how the weights of its products are stored where a transform has made them smaller;
            training computes with dense ones all the same.
        activation_bits: [bit] of what it reads and writes outside training; 0 for the precision's.
        fused_core: a compiler runs the attention core as one kernel, whatever the stack does.
        attributes: what a program that runs the layer needs and shapes do not tell (padding, function,
            dropout rate); the builder of each kind says which. Costs never depend on them.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    output_shape: tuple[int, ...]
    parameters: int = 0
    parameter_split: Division = Split.REPLICATED
    forward: tuple[Operator, ...] = ()
    input_gradient: tuple[Operator, ...] = ()
    weight_gradient: tuple[Operator, ...] = ()
    saved: tuple[SavedActivation, ...] = ()
    selective: bool = False
    tensor_entry: int = 0
    tensor_exit: int = 0
    core: AttentionShape | None = None
    token_exchange: TokenExchange | None = None
    narrow: bool = True
    tied: str = ""
    exchange: Halo | Tables | None = None
    weight_format: WeightFormat | None = None
    activation_bits: int = 0
    fused_core: bool = False
    attributes: Mapping[str, Attribute] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<Layer {self.name}: {self.kind}, {self.parameters:,} parameters>"

    def operators(self, which: Pass) -> tuple[Operator, ...]:
        """The operators of one pass, in launch order."""
        if which is Pass.FORWARD:
            return self.forward
        if which is Pass.INPUT_GRADIENT:
            return self.input_gradient
        return self.weight_gradient

    def flops(self, which: Pass) -> int:
        """Floating-point operations of one pass over one sample."""
        return sum(operator.flops for operator in self.operators(which))

    @property
    def active_parameters(self) -> int:
        """Trainable elements that a token meets: those of its own experts only."""
        split = self.parameter_split
        if not isinstance(split, ExpertSplit):
            return self.parameters
        return self.parameters * split.routing.chosen // split.routing.experts

    @property
    def product_weights(self) -> int:
        """Trainable elements that its products multiply by; a tied layer has none of its own."""
        if self.tied:
            return 0
        found = sum(operator.weights for operator in self.forward if operator.kind in PRODUCTS)
        others = sum(
            operator.weights
            for operator in self.forward
            if operator.kind not in PRODUCTS and operator.name != FILTER_TRANSFORM
        )
        return min(max(self.parameters - others, 0), found)

    @property
    def stored_weights(self) -> int:
        """Trainable elements that may be stored in a format of their own: of products, or a table of rows."""
        if self.kind == "embedding" and not self.tied:
            return self.parameters
        return self.product_weights

    @property
    def output_elements(self) -> int:
        """Elements of the output of one sample."""
        count = 1
        for extent in self.output_shape:
            count *= extent
        return count


def gradient_tensors(layer: Layer) -> int:
    """Variables of a layer: weights and bias; scale and shift of a normalisation."""
    if layer.kind == "normalization":
        return 2
    bias = sum(operator.weights for operator in layer.forward if operator.name == "bias")
    return (bias > 0) + (layer.parameters > bias)
