"""What a GPU kernel or an operator of PyTorch does, by its name: kinds of the cost model and a few more.

Rules are tried in order, so that ``implicit_gemm`` is a convolution before it is a product. Names are those
of ATen, cuBLAS, cuDNN, CUTLASS, NCCL and Triton as torch.profiler prints them.
"""

import re
from collections.abc import Sequence

COMMUNICATION, COPY, OPTIMIZER, IDLE, OTHER = "communication", "copy", "optimizer", "idle", "other"

Rules = Sequence[tuple[str, re.Pattern[str]]]


def _rules(*pairs: tuple[str, str]) -> Rules:
    return [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in pairs]


KERNELS = _rules(
    (COMMUNICATION, r"^(nccl|rccl|oneccl)|nccldev|ncclkernel|all_?reduce|all_?gather|reduce_?scatter"),
    (OPTIMIZER, r"multi_tensor|fusedadam|fused_adam|adamw?_kernel|sgd_kernel"),
    ("attention", r"flash_?(fwd|bwd|attn|attention)|fmha|attention|cudnn_generated.*sdpa"),
    ("convolution", r"conv|winograd|fprop|dgrad|wgrad|implicit_gemm|nchwtonhwc|nhwctonchw|im2col|col2im"),
    ("matmul", r"gemm|gemv|cublas|cutlass|nvjet|splitk|_mm_|matmul|dot_kernel"),
    ("normalization", r"(layer|batch|group|rms|instance)_?norm|(^|[^a-z])bn_|bn_(fw|bw)"),
    ("softmax", r"soft_?max"),
    ("pooling", r"pool"),
    ("gather", r"embedding|gather|scatter|index"),
    (COPY, r"memcpy|memset|direct_copy|catarray|fillfunctor|fill_kernel|copy_kernel"),
    ("reduction", r"reduce|nll_loss|triton_(red|per)|sum_kernel"),
    ("elementwise", r"elementwise|vectorized|unrolled|dropout|triton_poi|gelu|relu|pointwise"),
)
OPERATORS = _rules(
    (
        COMMUNICATION,
        r"^(nccl|gloo|mpi|ucc|c10d)[:_]|record_param_comms|all_?reduce|all_?gather|reduce_scatter",
    ),
    (OPTIMIZER, r"_fused_(adam|sgd)"),
    (
        IDLE,
        (
            r"^autograd::|^torch::autograd|backward\d*$(?<!_backward)|accumulategrad"
            r"|^(aten::)?_?(view|reshape|t|transpose|permute|as_strided|expand|expand_as|empty|empty_like"
            r"|empty_strided|resize|detach|flatten|unflatten|unsqueeze|squeeze|select|slice|split|chunk|narrow"
            r"|alias|resolve_conj|resolve_neg|set|item|local_scalar_dense|unsafe_view|lift_fresh|unbind|numpy_t"
            r"|reshape_alias|contiguous|to|result_type|is_nonzero|ones_like|zeros_like|zeros|ones|type_as)_?$"
        ),
    ),
    ("attention", r"scaled_dot_product|flash_attention|efficient_attention"),
    ("convolution", r"conv"),
    ("matmul", r"::_?(mm|addmm|bmm|baddbmm|matmul|linear|addmv|mv|dot|scaled_mm|einsum|mkldnn_linear)(_|$)"),
    ("normalization", r"(layer|batch|group|rms|instance)_norm"),
    ("softmax", r"softmax"),
    ("pooling", r"pool"),
    ("gather", r"embedding|gather|scatter|index|one_hot|::take"),
    (COPY, r"copy|::clone|::cat$|::stack$|::fill_|::zero_|memcpy|memset|::repeat|::arange"),
    (
        "reduction",
        r"::_?(sum|mean|nll_loss|cross_entropy|norm|linalg_vector_norm|max|min|argmax|amax|var|std|logsumexp)",
    ),
    (
        "elementwise",
        (
            r"::_?(foreach_)?(add|sub|mul|div|relu|gelu|silu|tanh|sigmoid|threshold|dropout|bernoulli|sqrt|rsqrt"
            r"|pow|exp|log|neg|where|masked_fill|lerp|clamp|addc|hard|leaky|elu|mse_loss|native_dropout|abs"
            r"|eq|ne|lt|gt|le|ge|maximum|minimum|reciprocal|bitwise|logical|uniform|normal|random)"
        ),
    ),
)


def kernel_kind(name: str) -> str:
    """Kind of a device kernel; ``other`` where no rule knows it."""
    return _kind(name, KERNELS)


def operator_kind(name: str) -> str:
    """Kind of the time that a host operator takes itself; ``idle`` for bookkeeping without arithmetic."""
    return _kind(name, OPERATORS)


def _kind(name: str, rules: Rules) -> str:
    return next((kind for kind, pattern in rules if pattern.search(name)), OTHER)
