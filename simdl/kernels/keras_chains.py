"""Operators of transformers as TensorFlow spells them, one kernel an operation, and as XLA compiles them.

Dropout scales, draws, compares, casts the mask and multiplies (tensorflow/python/ops/nn_ops.py, v2.3,
dropout_v2). GELU by its hyperbolic tangent is eight operations and eleven backward (nn_ops.py, gelu;
math_grad.py, _PowGrad, _TanhGrad and _MulGrad). Softmax finds the maximum, the sum and the quotient in a pass
each (core/kernels/softmax_op_gpu.cu.cc); its gradient is spelled out in Python (python/ops/nn_grad.py,
_SoftmaxGrad). Layer norms of Keras run as a batch normalisation of one sample whose channels are the tokens,
then scale and shift (python/keras/layers/normalization.py, v2.3, _fused_can_be_used); in BERT of the official
models they are in FP32 whatever the policy says (official/nlp/modeling/layers/transformer.py). Eigen, whose
kernels these are, loads one 16-bit element at a time where it has no packet of them, as of powers, tanh,
comparisons and casts, and pairs elsewhere, beside four of FP32: a warp asks for fewer bytes at a time, and
16-bit kernels are taken to last as long as FP32 ones (unsupported/Eigen/CXX11/src/Tensor/TensorExecutor.h,
EigenMetaKernelEval; src/Core/arch/GPU/PacketMath.h).

XLA joins element-wise operations into the kernels that read or write them, but a reduction ends a kernel: its
input is read again behind it (tensorflow/compiler/xla/service/gpu/instruction_fusion.cc and gpu_fusible.cc,
IsReduceInputFusion: reductions are roots). The maximum, the sum and the quotient of softmax, mean, variance
and quotient of a norm stay a pass each.
"""

from collections.abc import Mapping

from simdl.kernels.graph_chains import Link
from simdl.software.stack import Stack
from workloads.dtypes import Precision
from workloads.layer import Layer
from workloads.operators import Operator

KERAS = "keras"
XLA = "xla"
KERAS_CHAINS = (KERAS, XLA)
"""Names that a stack may list under ``chains``."""

_TO_FP32, _FROM_FP32 = ("to FP32", 1, 1), ("from FP32", 1, 1)
_WRITTEN = 1.5  # elements that dropout writes for each of its input, with the mask
_DROPOUT: Mapping[str, tuple[Link, ...]] = {
    "dropout": tuple(
        (name, tensors / _WRITTEN, 0)
        for name, tensors in (("scale", 2), ("draw", 1), ("compare", 1.5), ("mask", 1.5), ("product", 3))
    ),
    "dropout gradient": (("product", 3, 0), ("scale", 2, 0)),
}
_GELU: Mapping[str, tuple[Link, ...]] = {
    "gelu": (
        ("cube", 2, 0),
        ("coefficient", 2, 0),
        ("sum", 3, 0),
        ("root", 2, 0),
        ("tanh", 2, 0),
        ("one", 2, 0),
        ("half", 2, 0),
        ("product", 3, 0),
    ),
    "gelu gradient": (
        ("left", 3, 0),
        ("right", 3, 0),
        ("tanh", 3, 0),
        ("root", 2, 0),
        ("coefficient", 2, 0),
        ("square", 2, 0),
        ("three", 2, 0),
        ("cube", 3, 0),
        ("half", 2, 0),
        ("sum", 4, 0),
    ),
}
_SOFTMAX: Mapping[str, tuple[Link, ...]] = {
    "softmax": (("maximum", 1, 0), ("sum", 1, 0), ("quotient", 2, 0)),
    "softmax gradient": (("product", 3, 0), ("sum", 1, 0), ("difference", 2, 0), ("gradient", 3, 0)),
}
_NORM: Mapping[str, tuple[Link, ...]] = {
    "layernorm": (("normalise", 0, 3), ("scale", 0, 2), ("shift", 0, 2)),
    "input gradient": (("scale", 0, 2), ("normalise", 0, 5)),
    "residual gradient": (("sum", 0, 3),),
    "scale gradient": (("product", 0, 3), ("scale sum", 0, 1), ("shift sum", 0, 1)),
}
_COMPILED_SOFTMAX: Mapping[str, tuple[Link, ...]] = {
    "softmax": _SOFTMAX["softmax"],
    "softmax gradient": (("sum", 2, 0), ("gradient", 3, 0)),
}
_COMPILED_NORM: Mapping[str, tuple[Link, ...]] = {
    "layernorm": (("mean", 0, 1), ("variance", 0, 1), ("normalise", 0, 2)),
    "input gradient": (("sums", 0, 2), ("normalise", 0, 3)),
    "residual gradient": (("sum", 0, 3),),
    "scale gradient": (("sums", 0, 2),),
}


def keras_links(layer: Layer, operator: Operator, stack: Stack, precision: Precision) -> tuple[Link, ...]:
    """The kernels that take the place of an operator; none where the stack runs it as one."""
    if layer.attributes.get("over") == "layernorm":
        if KERAS in stack.chains:
            return _cast_norm(operator, _NORM, precision, fused=False)
        return _cast_norm(operator, _COMPILED_NORM, precision, fused=True) if XLA in stack.chains else ()
    if operator.element_size:
        return ()
    if KERAS in stack.chains:
        chain = {**_DROPOUT, **_GELU, **_SOFTMAX}.get(operator.name, ())
        return tuple((name, 0, short) for name, short, _ in chain)
    return _COMPILED_SOFTMAX.get(operator.name, ()) if XLA in stack.chains else ()


def _cast_norm(
    operator: Operator, norm: Mapping[str, tuple[Link, ...]], precision: Precision, *, fused: bool
) -> tuple[Link, ...]:
    """A norm in FP32 and, under mixed precision, the casts beside it where no kernel takes them in."""
    links = norm.get(operator.name, ())
    if not links or not precision.master or fused:
        return links
    if operator.name == "layernorm":
        return _TO_FP32, *links, _FROM_FP32
    return (_TO_FP32, *links, _FROM_FP32) if operator.name == "input gradient" else links
