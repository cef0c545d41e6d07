"""Cases: one kernel with concrete dimensions, named and counted as the simulator does."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from simdl.kernels.kernel import AttentionCall, ConvolutionCall, Kernel, Product
from workloads.layers.recurrent import GATES
from workloads.operators import AttentionShape, ConvolutionShape, OperatorKind, Pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What one measurement is of.

    Attributes:
        family: ``matmul``, ``convolution``, ``streaming``, ``attention``, ``recurrence``, ``launch``,
            ``copy``, ``collective``, ``contention`` or ``power``.
        kernel: the simulator's name, such as ``elementwise/relu`` or ``convolution/forward``; of a family
            that is no kernel, what is measured.
        dims: extents by name, in a fixed order.
        dtype: arithmetic.
        algorithm: of a convolution or collective; empty where there is one way only.
        flops: floating-point operations.
        nbytes: [bytes] read and written, as the simulator counts them.
        held_out: kept from the fit, to check it.
    """

    family: str
    kernel: str
    dims: Mapping[str, int] = field(default_factory=dict)
    dtype: str = "fp32"
    algorithm: str = ""
    flops: float = 0.0
    nbytes: float = 0.0
    held_out: bool = False

    @property
    def key(self) -> str:
        """Identity of the case in a file of measurements."""
        parts = (self.family, self.kernel, self.algorithm, self.dtype, format_dims(self.dims))
        return "|".join(parts)


def format_dims(dims: Mapping[str, int]) -> str:
    """Such as ``rows=8 columns=512 depth=512``."""
    return " ".join(f"{name}={extent}" for name, extent in dims.items())


def parse_dims(text: str) -> dict[str, int]:
    """The inverse of :func:`format_dims`.

    Raises:
        ValueError: a part is no name=extent.
    """
    pairs = (part.partition("=") for part in text.split())
    return {name: int(extent) for name, _, extent in pairs}


def case_kernel(case: Case) -> Kernel:
    """The simulator's kernel of a matmul, convolution, streaming, attention or recurrence case."""
    kind, _, name = case.kernel.partition("/")
    shape: Product | ConvolutionCall | AttentionCall | None = None
    if case.family == "matmul":
        shape = product_of(name, case.dims)
    elif case.family == "convolution":
        shape = convolution_of(Pass(name), case.dims)
    elif case.family == "attention":
        shape = attention_of(Pass(name), case.dims)
    elif case.family == "recurrence":
        shape = walk_product(name, case.dims)
    singles = singles_of(kind, case.dims)
    return Kernel(name, OperatorKind(kind), case.flops, case.nbytes, case.dtype, shape, singles=singles)


def singles_of(kind: str, dims: Mapping[str, int]) -> float:
    """What a streaming case does one by one: rows that are found by an index, draws that are not foreseen."""
    if "percent" in dims:
        return dims["elements"] * min(dims["percent"], 100 - dims["percent"]) / 100
    if kind != OperatorKind.GATHER.value:
        return 0.0
    return max(1, dims["elements"] // dims.get("features", 1))


def walk_product(name: str, dims: Mapping[str, int]) -> Product:
    """The product of a recurrent layer's step, or of its inputs at all steps; forward or of a gradient."""
    width = GATES[name.partition(" ")[0]] * dims["hidden"]
    rows, read = dims["batch"], dims.get("inputs", dims["hidden"])
    rows *= dims["steps"] if "inputs" in dims else 1
    return Product(rows, read, width) if "gradient" in name else Product(rows, width, read)


def product_of(name: str, dims: Mapping[str, int]) -> Product:
    """The product of a pass of a linear layer: rows (samples or tokens), output and input features."""
    rows, outputs, inputs, count = dims["rows"], dims["outputs"], dims["inputs"], dims.get("count", 1)
    if name == "input gradient":
        return Product(rows, inputs, outputs, count)
    if name == "weight gradient":
        return Product(outputs, inputs, rows, count)
    return Product(rows, outputs, inputs, count)


def convolution_of(which: Pass, dims: Mapping[str, int]) -> ConvolutionCall:
    """The call of a convolution case."""
    extents = {name: extent for name, extent in dims.items() if name != "batch"}
    return ConvolutionCall(ConvolutionShape(**extents), dims["batch"], which)


def attention_of(which: Pass, dims: Mapping[str, int]) -> AttentionCall:
    """The call of an attention case."""
    tokens, heads = dims["tokens"], dims["heads"]
    shape = AttentionShape(
        query_tokens=tokens,
        key_tokens=tokens,
        heads=heads,
        kv_heads=heads,
        head_size=dims["head_size"],
        causal=bool(dims["causal"]),
    )
    return AttentionCall(shape, dims["batch"], which)
