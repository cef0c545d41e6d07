"""Operators: one indivisible computation each, at the granularity of an unfused kernel.

All counts are **per sample** (one image or one sequence) unless a field says otherwise, and for the whole,
undivided network. ``split`` says how a tensor-parallel degree divides the operator; ``fusion`` says which
neighbours a software stack may fuse it with. flops count a multiply-add as two.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from workloads.amounts import choose, larger, smaller


class OperatorKind(StrEnum):
    """What a kernel does; the cost model has one rule per kind."""

    MATMUL = "matmul"
    CONVOLUTION = "convolution"
    ATTENTION = "attention"
    ELEMENTWISE = "elementwise"
    NORMALIZATION = "normalization"
    SOFTMAX = "softmax"
    REDUCTION = "reduction"
    POOLING = "pooling"
    GATHER = "gather"


PRODUCTS = frozenset({OperatorKind.MATMUL, OperatorKind.CONVOLUTION, OperatorKind.ATTENTION})
"""Kinds whose flops MFU counts."""


FILTER_TRANSFORM = "filter transform"
"""Name of an operator that turns filters into what products multiply by, once however large the batch."""

COMPILED = "compiled"
"""How fusion groups begin whose operators a compiler has joined: one kernel in every stack."""


class Split(StrEnum):
    """How a tensor-parallel degree t divides an operator, a tensor or a parameter."""

    REPLICATED = "replicated"
    """every rank does all of it"""
    SEQUENCE = "sequence"
    """1/t of the tokens with sequence parallelism, otherwise replicated"""
    COLUMN = "column"
    """1/t of the output columns (also: 1/t of the elements of a divided activation)"""
    ROW = "row"
    """1/t of the depth of the product"""
    HEADS = "heads"
    """1/t of the independent products (attention heads)"""

    @property
    def axis(self) -> "Split":
        """What is divided: a plain division is its own axis."""
        return self

    @property
    def transposed(self) -> "Split":
        """The division of the transposed product: output columns become the depth of the input gradient."""
        return Split.ROW if self is Split.COLUMN else self

    def copies(self, degree: int) -> float:  # noqa: ARG002 - the same question to a HeadSplit
        """Ranks that hold an element, on average: a plain division copies nothing."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSplit:
    """Division by attention heads, of which a rank holds one key-value head at least.

    Of a query heads and g key-value heads (Ainslie et al. 2023, arXiv:2305.13245), a rank of degree t has a/t
    and g/t. Where t exceeds g, t/g ranks share a key-value head and each keeps a copy of it, as AWS Neuron's
    ``GQAQKVColumnParallelLinear`` does (its ``kv_size_multiplier`` is t/g), so that a rank has a/t + 2 heads
    of queries, keys and values together. Megatron-LM divides the weights of such a head further instead and
    gathers the projected features, which is not modelled. Neither is the sum of the copies' weight gradients
    over their t/g neighbouring ranks, because it is small: 2 x hidden x d elements (heads of size d) per
    layer and step, where every layer and microbatch sums tokens x hidden elements several times.

    Attributes:
        axis: what is divided, as in a plain division.
        queries: query heads of the divided extent; 0 if it holds keys or values alone.
        kv_heads: key-value heads.
        tensors: tensors of key-value heads in the extent: 2 with keys and values, 1 with either.
    """

    axis: Split
    queries: int = 0
    kv_heads: int
    tensors: int = 1

    @property
    def transposed(self) -> "HeadSplit":
        """The division of the transposed product."""
        return replace(self, axis=self.axis.transposed)

    def copies(self, degree: int) -> float:
        """Ranks of a degree that hold an element, on average; exactly 1 up to ``kv_heads``."""
        return self._heads(degree) / self._heads(1)

    def _heads(self, degree: int) -> int:
        """Heads that all ranks of a degree hold together."""
        return self.queries + self.tensors * larger(self.kv_heads, degree)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """How tokens choose experts.

    Attributes:
        experts: of a layer that tokens choose among.
        chosen: experts of each token.
        load: tokens of the busiest expert-parallel rank over the mean, where as many are computed as come.
        capacity: rows that every expert computes over those of a balanced router, whatever comes; 0 where as
            many are computed as come.
        groups: of experts, of which a token first chooses ``chosen_groups`` (DeepSeek-AI 2024,
            arXiv:2412.19437, section 2.1.2: node-limited routing); 1 for none.
        chosen_groups: groups whose experts a token may choose.
    """

    experts: int
    chosen: int
    load: float = 1.0
    capacity: float = 0.0
    groups: int = 1
    chosen_groups: int = 1

    def stretch(self, ep: int) -> float:
        """Rows of the busiest of so many expert-parallel ranks over those of a balanced router.

        One rank has all experts and no other to be uneven with; of several none has more than all tokens.
        """
        return self.capacity or smaller(self.load, ep)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertSplit:
    """Division of what tokens do at their experts, on expert-parallel and expert-tensor-parallel ranks.

    A rank of degrees ep and etp holds 1/ep of the experts, and of each 1/etp of the features. Its experts
    compute as many (token, expert) pairs as the ranks of a replica dispatch on average, times the load of the
    busiest, and etp times as many rows because ranks that share an expert see the same tokens.

    Attributes:
        axis: what ranks that share an expert divide: columns, depth, or nothing (REPLICATED).
        routing: of the tokens.
    """

    axis: Split
    routing: Routing

    @property
    def transposed(self) -> "ExpertSplit":
        """The division of the transposed product."""
        return replace(self, axis=self.axis.transposed)

    def copies(self, degree: int) -> float:  # noqa: ARG002 - the same question to a HeadSplit
        """Ranks that hold an element, on average: experts are divided by degrees of their own."""
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaddedSplit:
    """Division of an extent that is padded to a multiple of the degree where it is divided at all.

    Attributes:
        axis: what is divided, as in a plain division.
        extent: unpadded.
        multiple: of every rank's part.
    """

    axis: Split
    extent: int
    multiple: int

    @property
    def transposed(self) -> "PaddedSplit":
        """The division of the transposed product."""
        return replace(self, axis=self.axis.transposed)

    def copies(self, degree: int) -> float:
        """What the ranks of a degree hold over the extent; 1 where nothing is divided."""
        each = self.multiple * degree
        padded = -(-self.extent // each) * each
        return choose(degree > 1, padded / self.extent, 1.0)


Division = Split | HeadSplit | ExpertSplit | PaddedSplit


class Pass(StrEnum):
    """The three passes of training."""

    FORWARD = "forward"
    INPUT_GRADIENT = "input_gradient"
    WEIGHT_GRADIENT = "weight_gradient"


@dataclass(frozen=True, slots=True, kw_only=True)
class MatmulShape:
    """``products`` independent products (rows x depth) @ (depth x columns), for one sample.

    ``batch_axis`` names what grows with the number of samples: the rows (a linear layer forward), the depth
    (its weight gradient) or the number of products (attention scores).
    """

    rows: int
    columns: int
    depth: int
    products: int = 1
    batch_axis: str = "rows"  # rows | depth | products


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvolutionShape:
    """A convolution of one image or volume; heights, widths and depths in pixels (depth 1 for images)."""

    in_channels: int
    out_channels: int
    in_height: int
    in_width: int
    out_height: int
    out_width: int
    kernel_height: int
    kernel_width: int
    stride_height: int = 1
    stride_width: int = 1
    groups: int = 1
    in_depth: int = 1
    out_depth: int = 1
    kernel_depth: int = 1
    stride_depth: int = 1

    @property
    def inputs(self) -> int:
        """Pixels of an input map."""
        return self.in_depth * self.in_height * self.in_width

    @property
    def outputs(self) -> int:
        """Pixels of an output map."""
        return self.out_depth * self.out_height * self.out_width

    @property
    def taps(self) -> int:
        """Elements of a filter for one channel."""
        return self.kernel_depth * self.kernel_height * self.kernel_width

    @property
    def strides(self) -> int:
        """Input pixels for each output pixel."""
        return self.stride_depth * self.stride_height * self.stride_width

    @property
    def filters(self) -> int:
        """Elements of all filters, K (C/g) R S."""
        return self.out_channels * (self.in_channels // self.groups) * self.taps


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionShape:
    """The attention core of one sequence: softmax(Q K^T) V.

    Attributes:
        query_tokens, key_tokens: of one sequence.
        heads, kv_heads: of queries, and of keys and values.
        head_size: features of a query and of a key.
        causal: half of the scores are masked; whether a kernel exploits it is the software stack's.
        window: keys that a query meets at most, itself among them (Beltagy et al. 2020, arXiv:2004.05150); 0
            for all.
        chunked: windows lie side by side and a query meets the keys of its own only (Llama 4).
        value_size: features of a value where they differ from those of a key; 0 where they do not.
        crossed: keys and values come from another sequence (Vaswani et al. 2017, section 3.2.3).
        cached: elements of a key and its value that lie in a cache per key-value head, where few queries meet
            the keys of many steps before; 0 where keys and values are computed with the queries.
        element_size: [bytes] per element of queries, keys and values; 0 for the precision's.
    """

    query_tokens: int
    key_tokens: int
    heads: int
    kv_heads: int
    head_size: int
    causal: bool
    window: int = 0
    chunked: bool = False
    value_size: int = 0
    crossed: bool = False
    cached: int = 0
    element_size: float = 0.0

    @property
    def value_features(self) -> int:
        """Features of a value."""
        return self.value_size or self.head_size

    @property
    def features(self) -> int:
        """Features of a token's queries, keys and values together."""
        return self.heads * self.head_size + self.kv_heads * (self.head_size + self.value_features)

    @property
    def reach(self) -> int:
        """Keys that a query meets at most, masked ones among them."""
        return min(self.window, self.key_tokens) if self.window else self.key_tokens

    @property
    def seen(self) -> float:
        """Mean keys that a query meets where a kernel skips what the mask hides.

        The first queries of a sequence have fewer keys before them than the window holds.
        """
        if not self.causal:
            return self.reach
        edge = 1.0 if self.chunked else self.reach / self.key_tokens
        return self.reach * (1 - edge / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One computation of one pass.

    Attributes:
        name: short name, unique in its layer and pass.
        kind: what it does.
        flops: floating-point operations per sample.
        reads: activation elements read per sample.
        writes: activation elements written per sample.
        weights: parameter elements read or written once per pass, however many samples.
        shape: dimensions the cost model needs; None for kernels priced by their bytes.
        split: how a tensor-parallel degree divides it.
        fusion: name of the group of consecutive operators that a stack may fuse into one kernel; "" for
            never.
        chained: elements per sample read from the previous operator of the same fusion group: when fused,
            these are neither written by it nor read here.
        element_size: [bytes] per activation element where it differs from the precision's (masks, FP32
            logits); 0 for the precision's.
        transposed: a convolution whose forward pass is the input gradient of ``shape`` and the reverse
            (Dumoulin and Visin 2016, arXiv:1603.07285, section 4).
        steps: launches one after another, each of which reads what the one before wrote (recurrent layers);
            flops, reads and writes are of all of them, ``shape`` and ``weights`` of one.
        weight_size: [bytes] per element of ``weights`` as a device holds them; 0 for the precision's.
        arithmetic: dtype of a product where it is not the precision's (``int8``); "" for that.
        pattern: zeros among ``weights`` that the device's kernels leave out (``2:4``); "" for none.
        density: share of ``weights`` that such kernels multiply.
        dispatch: the one way of sending tokens to experts that needs it (a key of a stack's ``dispatch``);
            "" for all.
        inner: it runs within the library call of a neighbour, so that no program calls it.
        singles: per sample, what a processor does one by one however few bytes there are: rows found by an
            index, draws whose outcome its branches do not foresee.
        maps: activation elements that it reads as well where pooling keeps maps (`workloads.layer.POOLING`).
        indices: places of maxima that it reads or writes where pooling keeps them instead.
    """

    name: str
    kind: OperatorKind
    flops: int
    reads: int = 0
    writes: int = 0
    weights: int = 0
    shape: MatmulShape | ConvolutionShape | AttentionShape | None = None
    split: Division = Split.REPLICATED
    fusion: str = ""
    chained: int = 0
    element_size: float = 0
    steps: int = 1
    transposed: bool = False
    dispatch: str = ""
    weight_size: float = 0.0
    arithmetic: str = ""
    pattern: str = ""
    density: float = 1.0
    inner: bool = False
    singles: int = 0
    maps: int = 0
    indices: int = 0

    def convolved(self, which: Pass) -> Pass:
        """The pass of ``shape`` that this operator is in a pass of its layer."""
        swapped = {Pass.FORWARD: Pass.INPUT_GRADIENT, Pass.INPUT_GRADIENT: Pass.FORWARD}
        return swapped.get(which, which) if self.transposed else which
