"""Kernels of libraries that have few thread blocks or move more than their operator says: norms and pooling.

cuDNN normalises maps channels first by a block for each channel, both passes in one kernel
(``bn_fw_tr_1C11_kernel_NCHW``, ``bn_bw_1C11_kernel_new``: "1C" is one channel): it sums over the channel.
Outside training nothing is summed, and blocks are as many as maps fill (``bn_fw_inf_1C11_kernel_NCHW``).
PyTorch sums the gradients of a layer norm's scale and shift by a block of 32 x 16 threads for 32 features,
which walks over all rows (aten/src/ATen/native/cuda/layer_norm_kernel.cu, ``GammaBetaBackwardCUDAKernel``,
``kColwiseReduceTileSize``; pytorch/pytorch pull request 148605 of March 2025 has more blocks where rows are
many). A block draws no more of the memory's bandwidth than the loads that it keeps in flight
(`hardware.architecture`), so narrow layers leave most of a device idle.
"""

from math import ceil

from simdl.software.stack import Stack
from workloads.layer import KEEPS_INDICES, Layer
from workloads.operators import Operator, OperatorKind

COLUMN_BLOCKS = "column_blocks"
"""What a stack lists under ``chains`` where a layer norm's gradients are summed by blocks of columns."""
COLUMNS = 32
INDEX = 8
"""[bytes] of the place of a maximum (ATen/native/cuda/DilatedMaxPool2d.cu, ``int64_t* top_mask``)."""


def thread_blocks(layer: Layer, operator: Operator, stack: Stack, samples: float) -> float:
    """Thread blocks of an operator's kernel where they may be few; 0 for as many as the device takes.

    Args:
        layer: whose operator it is.
        operator: of it.
        stack: the software.
        samples: that the kernel works on.
    """
    over = layer.attributes.get("over")
    if over in {"batch", "instance"} and stack.layout == "channels_first" and takes_sums(layer):
        return float(layer.output_shape[0]) if over == "batch" else layer.output_shape[0] * samples
    if over == "layernorm" and operator.name == "scale gradient" and COLUMN_BLOCKS in stack.chains:
        return float(ceil(layer.output_shape[-1] / COLUMNS))
    return 0.0


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
