"""Copies of maps that lie channels first, for convolutions whose kernels are channels last.

Filters of one pixel at stride one are products of maps as they lie: cuDNN 8 runs them without copies where
rows of pixels are aligned, to 4 bytes where one operand has pixels along its rows, to 16 where both do and
pixels are the depth, in the gradient of the filters. A profile of ResNet-50 in FP16 on an Ampere GPU bears it
out (docs/inference.md): 72 of its passes are plain products by this rule, some 70 in the table.
"""

from simdl.kernels.costs.matmul import ELEMENT_SIZE
from simdl.software.stack import Stack
from workloads.operators import ConvolutionShape, Pass

SHORT_FORMATS = frozenset({"fp16", "bf16"})
MATRIX_FORMATS = SHORT_FORMATS | {"tf32"}  # of convolutions on matrix units
ALIGNED, ALIGNED_DEPTH = 4, 16
"""[bytes] to which rows of pixels are aligned where a product takes them, as rows and as its depth."""


def transposes(shape: ConvolutionShape, which: Pass, dtype: str, stack: Stack) -> bool:
    """Whether a pass of a convolution copies its maps to channels last and back.

    XLA lays 16-bit convolutions of images channels last and all others first (``HeuristicLayoutAssignment``
    in ``tensorflow/compiler/xla/service/gpu/gpu_layout_assignment.cc``). Kernels of depthwise convolutions
    take either layout.
    """
    if stack.layout == "channels_last" or dtype not in MATRIX_FORMATS or shape.groups == shape.in_channels:
        return False
    if stack.layout == "channels_first_copied":
        return True
    if stack.layout == "xla" and dtype in SHORT_FORMATS and shape.kernel_depth == 1:
        return False
    return not _runs_in_place(shape, which, dtype)


def _runs_in_place(shape: ConvolutionShape, which: Pass, dtype: str) -> bool:
    plain = shape.taps == shape.strides == shape.groups == 1 and shape.inputs == shape.outputs
    aligned = ALIGNED_DEPTH if which is Pass.WEIGHT_GRADIENT else ALIGNED
    return plain and shape.outputs * ELEMENT_SIZE[dtype] % aligned == 0


def is_channels_first(stack: Stack) -> bool:
    """Whether maps of normalisation lie channels first."""
    return stack.layout in {"channels_first", "channels_first_copied"}
