"""Kernels of libraries that have few thread blocks or move more than their operator says: norms and pooling.

cuDNN normalises maps channels first by a block for each channel, both passes in one kernel
(``bn_fw_tr_1C11_kernel_NCHW``, ``bn_bw_1C11_kernel_new``: "1C" is one channel): it sums over the channel and
walks over it again, with so little in flight that what a block takes comes on top of what memory does.
Outside training nothing is summed, and blocks are as many as maps fill (``bn_fw_inf_1C11_kernel_NCHW``).
PyTorch sums the gradients of a layer norm's scale and shift by a block of 32 x 16 threads for 32 features,
which walks over all rows (aten/src/ATen/native/cuda/layer_norm_kernel.cu, ``GammaBetaBackwardCUDAKernel``,
``kColwiseReduceTileSize``; pytorch/pytorch pull request 148605 of March 2025 has more blocks where rows are
many). Such a block draws no more of the memory's bandwidth than the loads that it keeps in flight
(`hardware.architecture`), so narrow layers leave most of a device idle.
"""

from dataclasses import replace
from math import ceil

from simdl.kernels.kernel import Kernel
from simdl.kernels.layouts import is_channels_first
from simdl.software.stack import Stack
from workloads.layer import KEEPS_INDICES, Layer
from workloads.operators import Operator, OperatorKind

COLUMN_BLOCKS = "column_blocks"
"""What a stack lists under ``chains`` where a layer norm's gradients are summed by blocks of columns."""
COLUMNS = 32
INDEX = 8
"""[bytes] of the place of a maximum (ATen/native/cuda/DilatedMaxPool2d.cu, ``int64_t* top_mask``)."""


def in_blocks(kernel: Kernel, layer: Layer, operator: Operator, stack: Stack, samples: float) -> Kernel:
    """An operator's kernel with its thread blocks, where these may be few.

    Args:
        kernel: as if it had as many as the device takes.
        layer: whose operator it is.
        operator: of it.
        stack: the software.
        samples: that the kernel works on.
    """
    over = layer.attributes.get("over")
    if over in {"batch", "instance"} and is_channels_first(stack) and takes_sums(layer):
        blocks = layer.output_shape[0] * (1.0 if over == "batch" else samples)
        return replace(kernel, blocks=blocks, walked=(operator.reads + operator.writes) * samples)
    if over == "layernorm" and operator.name == "scale gradient" and COLUMN_BLOCKS in stack.chains:
        return replace(kernel, blocks=float(ceil(layer.output_shape[-1] / COLUMNS)))
    return kernel


def takes_sums(layer: Layer) -> bool:
    """Whether a normalisation takes its own mean and deviation, not those of an earlier training."""
    return any(operator.kind is OperatorKind.REDUCTION for operator in layer.forward)


def pooling_bytes(operator: Operator, keeps: str, size: float) -> float:
    """[bytes] for a sample that pooling moves beside its input and output: places of maxima, or maps again.

    Args:
        operator: of any kind.
        keeps: what the stack keeps for the backward pass, one of `workloads.layer.POOLING`.
        size: [bytes] of an activation.
    """
    return INDEX * operator.indices if keeps == KEEPS_INDICES else size * operator.maps
