"""Operators of graph networks that programs spell as chains of kernels.

Before release 1.10 PyTorch normalised a matrix of rows and features over its rows (BatchNorm1d) by kernels
with a block per feature, whose threads read one element each of rows that lie a row apart: a sector of memory
for every element (aten/src/ATen/native/cuda/Normalization.cuh, batch_norm_collect_statistics_kernel; cuDNN is
asked for three axes and more). DGL divides by degrees that it counts, clamps and casts in every call
(python/dgl/ops/spmm.py of 0.6, gspmm), at both ends of a GCN's edges by their roots
(nn/pytorch/conv/graphconv.py of 0.4.3). PyTorch Geometric scales every message of a GCN by a number of its
edge, written anew (gcn_conv.py, message), and adds messages up one by one where they arrive by atomic
additions, a read and a write each (torch_scatter, scatter_cuda.cu; index_add_ of gradients).
"""

from simdl.software.stack import Stack
from workloads.layer import Layer
from workloads.layers.graph import SPMM
from workloads.operators import Operator

NODE_NORM = "node_norm"
DEGREES = "degrees"
MESSAGES = "messages"
GRAPH_CHAINS = (NODE_NORM, DEGREES, MESSAGES)
"""Names that a stack may list under ``chains``."""
SECTOR = 8  # elements of FP32 in 32 bytes, what a read of one of them moves

Link = tuple[str, float, float]
"""A kernel's name, and the tensors of activations' format and of FP32 that it reads or writes."""

_DEGREES: tuple[Link, ...] = (("degrees", 0, 0), ("clamp", 0, 0), ("cast", 0, 0), ("divide", 2, 0))
_ROOTS: tuple[Link, ...] = tuple(
    (f"{end} {name}", tensors, 0)
    for end in ("source", "target")
    for name, tensors in (("degrees", 0), ("copy", 0), ("cast", 0), ("clamp", 0), ("root", 0), ("scale", 2))
)
"""One number a node is small beside its features."""


def graph_links(layer: Layer, operator: Operator, stack: Stack) -> tuple[Link, ...]:
    """The kernels that take the place of an operator; none where the stack runs it as one."""
    ends = layer.attributes.get("normalised")
    if layer.kind == "aggregation" and operator.name == "scale" and DEGREES in stack.chains:
        return _ROOTS if ends == "both" else _DEGREES
    if layer.kind == "aggregation" and MESSAGES in stack.chains:
        return _messages(operator, scaled=ends == "both")
    if layer.kind == "node_normalization" and NODE_NORM in stack.chains:
        passes = (operator.reads + operator.writes) / written_elements(operator)
        return ((f"{operator.name} by feature", 0, passes * SECTOR),)
    return ()


def message_copies(layer: Layer, stack: Stack) -> int:
    """Tensors of a message per edge that live together: none in a sparse product, two where each is scaled.

    What is gathered, and its product with a number of the edge, lie between gather and scatter
    (message_passing.py, ``propagate``); neither is kept for the backward pass, which writes the like again.
    """
    if layer.kind != "aggregation" or SPMM in stack.fused:
        return 0
    scaled = MESSAGES in stack.chains and layer.attributes.get("normalised") == "both"
    return 2 if scaled else 1


def _messages(operator: Operator, *, scaled: bool) -> tuple[Link, ...]:
    if operator.name.endswith("scatter"):
        return ((f"{operator.name} one by one", 3 * operator.reads / written_elements(operator), 0),)
    if operator.name.endswith("gather") and scaled:
        return ("gather", 2, 0), ("weights", 2, 0)
    return ()


def written_elements(operator: Operator) -> int:
    """What an operator writes; half of what it reads where it writes nothing of that size."""
    return operator.writes or operator.reads // 2
