"""Operators that a program spells as chains of kernels over FP32 copies, where nothing fuses them.

PyTorch had no kernel of its own for RMSNorm before release 2.9, and models wrote it out: cast, square, mean,
product with the inverse root, cast, product with the weight (torchtitan, models/norms.py until 3b39d7ab;
transformers, models/llama/modeling_llama.py, LlamaRMSNorm). Autograd takes each of these back in turn
(torch/csrc/autograd/FunctionsManual.cpp: pow_backward copies, scales and multiplies). Rotary positions as
complex numbers (torchtitan, models/llama/model.py, apply_rotary_emb) cast, multiply and cast, and
TorchInductor generates no code for complex numbers. Attention kernels that know no grouped keys read them
repeated (repeat_kv of both programs).
"""

from collections.abc import Iterator, Mapping

from simdl.kernels.graph_chains import GRAPH_CHAINS, Link, graph_links, written_elements
from simdl.kernels.keras_chains import KERAS_CHAINS, keras_links
from simdl.kernels.kernel import Kernel
from simdl.kernels.thread_blocks import COLUMN_BLOCKS
from simdl.software.stack import Stack
from workloads.dtypes import Precision
from workloads.layer import Layer
from workloads.layers.tokens.attention import key_elements, key_split, value_elements
from workloads.operators import AttentionShape, Division, Operator, OperatorKind, Split

FP32 = 4  # [bytes] per element
RMS_NORM = "rms_norm"
COMPLEX_ROPE = "complex_rope"
REPEAT_KV = "repeat_kv"
BATCH_COUNT = "batch_count"
"""PyTorch counts batches in a tensor beside every batch normalisation (torch/nn/modules/batchnorm.py,
``num_batches_tracked``), by a kernel of one element."""
PADDING_MASK = "padding_mask"
"""An encoder adds what masks padding to its scores by a kernel of its own, between their scale and softmax
(NVIDIA DeepLearningExamples, PyTorch/LanguageModeling/BERT/modeling.py, BertSelfAttention)."""
CHAINS = (
    RMS_NORM,
    COMPLEX_ROPE,
    REPEAT_KV,
    BATCH_COUNT,
    PADDING_MASK,
    COLUMN_BLOCKS,
    *KERAS_CHAINS,
    *GRAPH_CHAINS,
)
"""Names that a stack may list under ``chains``."""

TOKEN_NORMS = frozenset({"layernorm", "rmsnorm"})
"""Normalisations that autocast runs in FP32."""

_NORM: Mapping[str, tuple[Link, ...]] = {
    "rmsnorm": (
        ("to FP32", 1, 1),
        ("square", 0, 2),
        ("mean", 0, 1),
        ("scale", 0, 2),
        ("from FP32", 1, 1),
        ("weight", 2, 0),
    ),
    "input gradient": (
        ("weight gradient", 2, 0),
        ("to FP32", 1, 1),
        ("scale gradient", 0, 2),
        ("root gradient", 0, 3),
        ("root gradient sum", 0, 1),
        ("mean gradient", 0, 1),
        ("power copy", 0, 2),
        ("power scale", 0, 2),
        ("power gradient", 0, 3),
        ("gradient sum", 0, 3),
        ("from FP32", 1, 1),
    ),
    "scale gradient": (("product", 3, 0), ("rows", 1, 0)),
}
_AUTOCAST_NORM: Mapping[str, tuple[Link, ...]] = {
    "layernorm": (("in FP32", 0, 2), ("from FP32", 1, 1)),
    "rmsnorm": (("in FP32", 0, 2), ("from FP32", 1, 1)),
    "input gradient": (("to FP32", 1, 1), ("in FP32", 0, 3)),
    "residual gradient": (("in FP32", 0, 3), ("from FP32", 1, 1)),
    "scale gradient": (("in FP32", 0, 2),),
}
_AUTOCAST_NARROW: Mapping[str, tuple[Link, ...]] = {
    "layernorm": (("to FP32", 1, 1), *_AUTOCAST_NORM["layernorm"]),
    "input gradient": (*_AUTOCAST_NORM["input gradient"], ("from FP32", 1, 1)),
    "scale gradient": _AUTOCAST_NORM["scale gradient"],
}
"""Norms of what products or convolutions wrote, in 16 bit, rather than of a residual stream."""
_AUTOCAST_SOFTMAX: Mapping[str, tuple[Link, ...]] = {
    "softmax": (("in FP32", 1, 1), ("from FP32", 1, 1)),
    "softmax gradient": (("to FP32", 1, 1), ("in FP32", 0, 3), ("from FP32", 1, 1)),
}
_AUTOCAST_WINDOWS: Mapping[str, tuple[Link, ...]] = {
    "position bias": (("in FP32", 1, 1),),
    "mask": (("in FP32", 0, 2),),
    "softmax": (("in FP32", 0, 2), ("from FP32", 1, 1)),
    "softmax gradient": _AUTOCAST_SOFTMAX["softmax gradient"],
}
"""Autocast runs norms and softmax in FP32 and casts what products read of them (torch.amp, op reference).

Sums take the wider of their formats: embedded tokens, trained positions and norms are FP32, so a residual
stream stays FP32 (timm/models/swin_transformer.py, v0.6.7: ``shortcut + self.drop_path(x)``), windows of what
a norm wrote are copied in FP32, and scores are FP32 once trained biases are added
(``attn + self._get_rel_pos_bias()``).
"""
_WIDE_ADD: tuple[Link, ...] = (("in FP32", 1, 2),)
_WIDE_COPY: tuple[Link, ...] = (("in FP32", 0, 2),)
_ROTATION: Mapping[str, tuple[Link, ...]] = {
    "rotate": (("to FP32", 1, 1),),
    "sine": (("complex product", 0, 2),),
    "cosine": (("from FP32", 1, 1),),
}


def links(layer: Layer, operator: Operator, stack: Stack, precision: Precision) -> tuple[Link, ...]:
    """The kernels that take the place of an operator; none where the stack runs it as one."""
    if stack.autocast and precision.master and operator.element_size == 0:
        cast = _autocast_links(layer, operator)
        if cast:
            return cast
    if RMS_NORM in stack.chains and layer.attributes.get("over") == "rmsnorm":
        return _NORM.get(operator.name, ())
    if COMPLEX_ROPE in stack.chains and layer.kind == "rotary":
        return _ROTATION[operator.name.rpartition(" ")[2]]
    if PADDING_MASK in stack.chains and operator.name == "scale" and layer.core and not layer.core.causal:
        return ("scale", 2, 0), ("mask", 2, 0)
    return keras_links(layer, operator, stack, precision) or graph_links(layer, operator, stack)


def _autocast_links(layer: Layer, operator: Operator) -> tuple[Link, ...]:
    """What an operator becomes where formats are cast operator by operator."""
    if layer.attributes.get("over") in TOKEN_NORMS:
        norm = _AUTOCAST_NARROW if layer.attributes.get("reads") == "products" else _AUTOCAST_NORM
        return norm.get(operator.name, ())
    if layer.kind == "attention":
        return _AUTOCAST_SOFTMAX.get(operator.name, ())
    if layer.kind == "window_attention":
        return _AUTOCAST_WINDOWS.get(operator.name, ())
    if layer.attributes.get("operation") == "window":
        return _WIDE_COPY
    return _WIDE_ADD if layer.kind == "residual" and operator.name == "add" else ()


def chain_kernels(
    chain: tuple[Link, ...], operator: Operator, share: float, precision: Precision, dtype: str
) -> Iterator[Kernel]:
    """The kernels of a chain.

    Args:
        chain: of :func:`links`.
        operator: whose place it takes.
        share: samples of this rank's part.
        precision: of activations.
        dtype: of the kernels' arithmetic.
    """
    elements = written_elements(operator) * share
    for name, short, full in chain:
        nbytes = elements * (short * precision.activation + full * FP32)
        yield Kernel(f"{operator.name}: {name}", OperatorKind.ELEMENTWISE, elements, nbytes, dtype)


def repeated_heads(
    core: AttentionShape, stack: Stack
) -> Iterator[tuple[str, tuple[tuple[int, Division], ...]]]:
    """Copies of keys and values for every query head: names, and elements with their division.

    The backward pass adds the copies' gradients up: as many bytes.
    """
    if REPEAT_KV not in stack.chains or core.kv_heads == core.heads:
        return
    split = key_split(core)
    copies = core.heads // core.kv_heads
    for name, narrow in (("keys", key_elements(core)), ("values", value_elements(core))):
        yield f"repeat {name}", ((narrow, split), (narrow * copies, Split.HEADS))
