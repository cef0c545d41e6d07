"""From operators to kernels: what one rank launches for one microbatch of one block.

Tensor parallelism of degree t divides operators as their ``split`` says (Shoeybi et al. 2019; sequence
parallelism: Korthikanti et al. 2022), context parallelism divides the tokens of every sample (Liu et al.
2023), and a software stack fuses neighbouring operators and replaces the attention core by one tiled kernel
(Dao et al. 2022).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from simdl.kernels.chains import BATCH_COUNT, chain_kernels, links, repeated_heads
from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Kernel, Product, Recurrence
from simdl.kernels.layouts import transposes
from simdl.kernels.quantisation import quantisation
from simdl.kernels.thread_blocks import in_blocks, pooling_bytes, takes_sums
from simdl.software.stack import Stack
from workloads.amounts import choose, larger, rounded, smaller
from workloads.dtypes import Precision
from workloads.layer import Layer
from workloads.network import Block
from workloads.operators import (
    COMPILED,
    AttentionShape,
    ConvolutionShape,
    Division,
    ExpertSplit,
    MatmulShape,
    Operator,
    OperatorKind,
    Pass,
    Split,
)

STARTS = (OperatorKind.MATMUL, OperatorKind.CONVOLUTION)  # a product never joins another kernel
CASTS, SAME_FORMAT = frozenset({"upcast", "downcast"}), "casts"  # around a loss; what a stack calls them
ROWS = 16
"""Rows of an expert come in multiples of so many: mean rows stand for all, and odd ones are padded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """The part of one microbatch that one rank works on.

    Attributes:
        tp, cp, ep, sequence_parallel, micro_batch: as in :class:`simdl.step.strategy.Strategy`.
        etp: ranks that share each expert.
        pipelined: first and last block are on different ranks, so tied parameters exist twice.
    """

    tp: int = 1
    cp: int = 1
    ep: int = 1
    etp: int = 1
    sequence_parallel: bool = False
    micro_batch: int = 1
    pipelined: bool = False

    def share(self, split: Division) -> float:
        """Samples of this rank's part of a tensor or operator: microbatch over the degrees that divide it."""
        axis = split.axis
        if isinstance(split, ExpertSplit):
            rows = self.etp if axis is Split.REPLICATED else 1
            return self.micro_batch / (self.cp * self.tp) * split.routing.stretch(self.ep) * rows
        divided = self.sequence_parallel if axis is Split.SEQUENCE else axis is not Split.REPLICATED
        degree = choose(divided, self.cp * self.tp, self.cp)
        return self.micro_batch / degree * split.copies(self.tp)

    def parameter_share(self, split: Division) -> float:
        """Part of a parameter tensor that this rank keeps (before ZeRO)."""
        whole = split.axis is Split.REPLICATED or split.axis is Split.SEQUENCE
        if isinstance(split, ExpertSplit):
            return 1 / self.ep if whole else 1 / (self.ep * self.etp)
        return 1.0 if whole else 1 / self.tp * split.copies(self.tp)

    def held(self, extent: int, split: Division) -> int:
        """What all tensor-parallel ranks together hold of an extent of whole heads, copies counted."""
        return rounded(extent * split.copies(self.tp))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShardTable(Shard):
    """Many shards at once: every attribute is an array [n], and so is whatever is counted with them."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def share(self, split: Division) -> float:
        """As of one shard, found once: many operators are divided alike."""
        return _share(self, split)

    def parameter_share(self, split: Division) -> float:
        """As of one shard, found once."""
        return _parameter_share(self, split)


@lru_cache(maxsize=256)
def _share(table: ShardTable, split: Division) -> float:
    return Shard.share(table, split)


@lru_cache(maxsize=256)
def _parameter_share(table: ShardTable, split: Division) -> float:
    return Shard.parameter_share(table, split)


def block_kernels(
    block: Block, which: Pass, *, shard: Shard, precision: Precision, stack: Stack
) -> list[Kernel]:
    """Kernels of one pass over one microbatch of a block, in launch order, after fusion.

    The backward passes run the layers in reverse order.
    """
    return layer_kernels(pass_layers(block, which), which, shard=shard, precision=precision, stack=stack)


def pass_layers(block: Block, which: Pass) -> tuple[Layer, ...]:
    """The layers of a block in the order of a pass."""
    return block.layers if which is Pass.FORWARD else tuple(reversed(block.layers))


def layer_kernels(
    layers: Iterable[Layer], which: Pass, *, shard: Shard, precision: Precision, stack: Stack
) -> list[Kernel]:
    """Kernels of one pass over some layers, in the order given, neighbours fused as the stack does."""
    return [
        kernel for _, kernel in named_kernels(layers, which, shard=shard, precision=precision, stack=stack)
    ]


def named_kernels(
    layers: Iterable[Layer], which: Pass, *, shard: Shard, precision: Precision, stack: Stack
) -> list[tuple[str, Kernel]]:
    """:func:`layer_kernels`, each with the name of its layer; of fused ones, of the first."""
    kernels: list[tuple[str, Kernel]] = []
    group = ""
    for layer, operator, kernel in _unfused(layers, which, shard, precision, stack):
        fusible = operator is not None and _fuses(operator, stack)
        if operator is not None and fusible and operator.fusion == group and operator.kind not in STARTS:
            saved = 2 * operator.chained * shard.share(operator.split) * _size(operator, precision)
            first, before = kernels[-1]
            kernels[-1] = first, _merge(before, kernel, saved)
        else:
            kernels.append((layer, kernel))
        group = operator.fusion if operator is not None and fusible else ""
    return kernels


def _unfused(
    layers: Iterable[Layer], which: Pass, shard: Shard, precision: Precision, stack: Stack
) -> Iterator[tuple[str, Operator | None, Kernel]]:
    for layer in layers:
        if layer.core is not None and (layer.fused_core or stack.attention != "unfused"):
            if which is not Pass.WEIGHT_GRADIENT:
                for kernel in _repeats(layer.core, shard, precision, stack):
                    yield layer.name, None, kernel
                yield layer.name, None, _attention_kernel(layer.core, which, shard, precision, stack)
            continue
        counts = BATCH_COUNT in stack.chains and layer.attributes.get("over") == "batch" and takes_sums(layer)
        if which is Pass.FORWARD and counts:
            yield layer.name, None, Kernel("count", OperatorKind.ELEMENTWISE, 0.0, 0.0, precision.attention)
        for operator in layer.operators(which):
            if operator.dispatch in ("", stack.dispatch) and not _casts_nothing(operator, precision, stack):
                for fusible, kernel in _operator_kernels(layer, operator, which, shard, precision, stack):
                    yield layer.name, fusible, kernel


def _casts_nothing(operator: Operator, precision: Precision, stack: Stack) -> bool:
    """Whether a cast to FP32 or back finds its format there, and gets the tensor itself."""
    same = operator.name in CASTS and operator.element_size == precision.activation
    return same and SAME_FORMAT in stack.fused


def _operator_kernels(  # noqa: PLR0917 - what names one kernel
    layer: Layer, operator: Operator, which: Pass, shard: Shard, precision: Precision, stack: Stack
) -> Iterator[tuple[Operator | None, Kernel]]:
    """An operator's kernels, each with the operator where it may join its neighbours."""
    dtype = operator.arithmetic or (precision.matmul if layer.narrow else precision.attention)
    share = shard.share(operator.split)
    if chain := links(layer, operator, stack, precision):
        for kernel in chain_kernels(chain, operator, share, precision, dtype):
            yield None, in_blocks(kernel, layer, operator, stack, share)
        return
    kernel = _kernel(operator, which, shard, precision, dtype)
    if pooled := pooling_bytes(operator, stack.pooling, precision.activation):
        kernel = replace(kernel, nbytes=kernel.nbytes + pooled * share)
    kernel = in_blocks(kernel, layer, operator, stack, share)
    call = kernel.shape
    if isinstance(call, ConvolutionCall) and transposes(call.shape, call.which, dtype, stack):
        yield None, _transposition(operator, shard, precision, dtype)
    cast = quantisation(operator, kernel, dtype, stack, precision)
    if cast is not None:
        yield None, cast
    yield operator, kernel


def _repeats(core: AttentionShape, shard: Shard, precision: Precision, stack: Stack) -> Iterator[Kernel]:
    """Copies of keys and values for every head that shares them, or sums of their gradients."""
    for name, tensors in repeated_heads(core, stack):
        elements = sum(count * shard.share(split) for count, split in tensors)
        nbytes = elements * precision.activation
        yield Kernel(name, OperatorKind.ELEMENTWISE, 0.0, nbytes, precision.attention)


def _fuses(operator: Operator, stack: Stack) -> bool:
    """Whether the stack, or a compiler before it, joins the operators of this group."""
    return operator.fusion in stack.fused or operator.fusion.startswith(COMPILED)


def _merge(first: Kernel, second: Kernel, saved: float) -> Kernel:
    """One kernel that does both, named by both; a product absorbs the element-wise work of its epilogue."""
    return Kernel(
        name=f"{first.name}+{second.name}",
        kind=first.kind,
        flops=first.flops + second.flops,
        nbytes=larger(first.nbytes + second.nbytes - saved, 0.0),
        dtype=first.dtype,
        shape=first.shape,
        experts=first.experts,
        pattern=first.pattern,
        density=first.density,
        inner=first.inner,
        singles=first.singles + second.singles,
    )


def _size(operator: Operator, precision: Precision) -> float:
    return operator.element_size or precision.activation


def _transposition(operator: Operator, shard: Shard, precision: Precision, dtype: str) -> Kernel:
    """CuDNN's copies of what a convolution reads and writes, ``nchwToNhwcKernel`` and its reverse.

    They run within the call of the convolution, so they cost the device time and the host none of its own.
    TF32 kernels of images write channels first themselves (``implicit_gemm_tf32f32..._nhwckrsc_nchw``).
    """
    image = isinstance(operator.shape, ConvolutionShape) and operator.shape.kernel_depth == 1
    written = 0.0 if dtype == "tf32" and image else operator.writes
    elements = (operator.reads + written) * shard.share(operator.split)
    nbytes = 2 * elements * _size(operator, precision)
    return Kernel("transpose", OperatorKind.ELEMENTWISE, 0.0, nbytes, dtype, inner=True)


def _kernel(operator: Operator, which: Pass, shard: Shard, precision: Precision, dtype: str) -> Kernel:
    share = shard.share(operator.split)
    weights = operator.weights * shard.parameter_share(operator.split) * operator.steps
    nbytes = (operator.reads + operator.writes) * share * _size(operator, precision)
    nbytes += weights * (operator.weight_size or precision.parameter)
    shape: Product | ConvolutionCall | None = None
    steps = operator.steps
    if isinstance(operator.shape, MatmulShape):
        split = operator.split
        if isinstance(split, ExpertSplit):
            shape = _grouped(operator.shape, split, shard)
        else:
            shape = _product(operator.shape, split, shard)
        nbytes = _product_bytes(shape, operator, precision) * steps
        if operator.shape.batch_axis == "products":
            dtype = precision.attention
    elif isinstance(operator.shape, ConvolutionShape):
        shape = ConvolutionCall(operator.shape, shard.micro_batch, operator.convolved(which))
    flops = operator.flops * share
    if steps > 1:
        assert not isinstance(shape, ConvolutionCall)  # noqa: S101 - no layer convolves step by step
        return Kernel(operator.name, operator.kind, flops, nbytes, dtype, Recurrence(steps, shape))
    if isinstance(operator.split, ExpertSplit) and isinstance(shape, Product):
        return Kernel(operator.name, operator.kind, flops, nbytes, dtype, shape, experts=shape.count)
    plain = Kernel(operator.name, operator.kind, flops, nbytes, dtype, shape, inner=operator.inner)
    if operator.singles:
        plain = replace(plain, singles=operator.singles * share)
    if not operator.pattern:
        return plain
    return replace(plain, pattern=operator.pattern, density=operator.density)


def _product_bytes(product: Product, operator: Operator, precision: Precision) -> float:
    """[bytes] of both operands and the result; weights may be stored narrower than what they multiply."""
    size = _size(operator, precision)
    moved = product.m * product.k + product.m * product.n
    weights = product.k * product.n
    if not operator.weight_size:
        return product.count * (moved + weights) * size
    return product.count * (moved * size + weights * operator.weight_size)


def _product(shape: MatmulShape, split: Division, shard: Shard) -> Product:
    """Concrete dimensions: the batch axis grows with the samples, the split axis shrinks with the degree."""
    rows, columns, depth, products = shape.rows, shape.columns, shape.depth, shape.products
    if shape.batch_axis == "products":
        products *= shard.micro_batch
        rows = _part(rows, shard.cp)
    elif shape.batch_axis == "depth":
        depth = _part(depth * shard.micro_batch, shard.cp)
    else:
        rows = _part(rows * shard.micro_batch, shard.cp)
    axis = split.axis
    if axis is Split.COLUMN:
        columns = _part(shard.held(columns, split), shard.tp)
    elif axis is Split.ROW:
        depth = _part(shard.held(depth, split), shard.tp)
    elif axis is Split.HEADS:
        products = _part(products, shard.tp)
    elif axis is Split.SEQUENCE and shape.batch_axis == "depth":
        depth = choose(shard.sequence_parallel, _part(depth, shard.tp), depth)
    elif axis is Split.SEQUENCE:
        rows = choose(shard.sequence_parallel, _part(rows, shard.tp), rows)
    return Product(rows, columns, depth, products)


def _grouped(shape: MatmulShape, split: ExpertSplit, shard: Shard) -> Product:
    """Products of the experts of a rank, each with the same part of the rows that come to it."""
    experts = shape.products // shard.ep
    rows, columns, depth = shape.rows, shape.columns, shape.depth
    routed = (depth if shape.batch_axis == "depth" else rows) * shard.share(
        replace(split, axis=Split.REPLICATED)
    )
    each = ROWS * larger(rounded(routed / experts / ROWS), 1)
    if shape.batch_axis == "depth":
        depth = each
    else:
        rows = each
    if split.axis is Split.COLUMN:
        columns = _part(columns, shard.etp)
    elif split.axis is Split.ROW:
        depth = _part(depth, shard.etp)
    return Product(rows, columns, depth, experts)


def _part(extent: int, degree: int) -> int:
    """Share of an extent, rounded up: the largest part sets the pace (padded vocabularies, uneven heads)."""
    return -(-extent // degree)


def rank_core(core: AttentionShape, shard: Shard) -> AttentionShape:
    """The attention of one rank: its queries on all keys, of one key-value head at least."""
    return replace(
        core,
        query_tokens=_part(core.query_tokens, shard.cp),
        heads=_part(core.heads, shard.tp),
        kv_heads=_part(core.kv_heads, shard.tp),
    )


def ring_hops(core: AttentionShape, cp: int) -> int:
    """Transfers round the context-parallel ring until a rank has met all keys that its queries see."""
    if core.chunked:
        return larger(-(-core.reach * cp // core.key_tokens) - 1, 0)
    if core.window:
        return smaller(-(-(core.reach - 1) * cp // core.key_tokens), cp - 1)
    return cp - 1


def _attention_kernel(
    core: AttentionShape, which: Pass, shard: Shard, precision: Precision, stack: Stack
) -> Kernel:
    """One tiled attention kernel; backward computes the scores again: five products instead of two."""
    local = replace(rank_core(core, shard), causal=core.causal and stack.attention == "flash-causal")
    scores = local.query_tokens * local.seen * local.heads * shard.micro_batch
    features = core.head_size + core.value_features
    flops = 2.0 * scores * features
    keys = local.key_tokens * local.kv_heads * (local.cached or features)
    elements = (local.query_tokens * local.heads * features + keys) * shard.micro_batch
    if which is Pass.INPUT_GRADIENT:
        flops += 2.0 * scores * (features + core.head_size)
        elements *= 2
    return Kernel(
        "attention",
        OperatorKind.ATTENTION,
        flops,
        elements * (core.element_size or precision.activation),
        precision.attention,
        AttentionCall(local, shard.micro_batch, which, stack.attention_algorithm),
    )
