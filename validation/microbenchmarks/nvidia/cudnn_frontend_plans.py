"""Convolutions through cuDNN's graph API (package nvidia-cudnn-frontend): every plan, its workspace and time.

A graph of one convolution gets one plan for each engine and setting that cuDNN's heuristics name. Plans are
named by engine and knobs; which of the paper's algorithms an engine carries out is not told. So these times
fill no table by algorithm: the fastest plan is the library's choice, called ``direct`` like PyTorch's, which
chooses in the same way. NVIDIA, "cuDNN Frontend API", sections on execution plans and autotuning.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from math import prod
from typing import Any, final

from simdl.kernels.kernel import ConvolutionCall
from validation.microbenchmarks.arrays.convolutions import operand_shapes, padding_of, result_shape
from validation.microbenchmarks.backend import OutOfMemoryError, Prepared, UnsupportedCaseError
from validation.microbenchmarks.timing import Timer, sample
from workloads.operators import Pass

CHOSEN = "direct"
"""The one algorithm that can be asked for."""

BUDGET = 0.002
"""[s] for comparing one plan with the others."""

FORMATS: Mapping[str, str] = {"fp32": "FLOAT", "tf32": "FLOAT", "fp16": "HALF", "bf16": "BFLOAT16"}
"""Name of the frontend's data type."""

Module = Any
Array = Any
Fresh = Callable[..., Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One plan of a pass.

    Attributes:
        index: in the graph's list.
        name: engine and knobs, as cuDNN writes them.
        workspace: [bytes].
        time: [s].
    """

    index: int
    name: str
    workspace: int
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    """A built graph and its tensors, operands first and the result last."""

    graph: Any
    tensors: tuple[Any, Any, Any]


@final
class FrontendConvolutions:
    """cuDNN's graph API on the current device.

    Args:
        cudnn: the frontend's module.
        allocate: [bytes] to device memory that the frontend takes as a workspace.
        timer: of the device.
    """

    algorithms = (CHOSEN,)

    def __init__(self, cudnn: Module, allocate: Callable[[int], Array], timer: Callable[[], Timer]) -> None:
        self._cudnn, self._allocate, self._timer = cudnn, allocate, timer
        self._handle = cudnn.create_handle()
        self._graphs: dict[tuple[ConvolutionCall, str], tuple[_Graph, tuple[Plan, ...]]] = {}

    @property
    def version(self) -> str:
        """Of cuDNN and of the frontend."""
        return f"{self._cudnn.backend_version()} (frontend {self._cudnn.__version__})"

    def prepare(self, call: ConvolutionCall, algorithm: str, dtype: str, fresh: Fresh) -> Prepared:
        """One set of buffers and the call of the fastest plan.

        Raises:
            UnsupportedCaseError: another algorithm is asked for, or no plan runs this pass.
            OutOfMemoryError: there is no room for a workspace.
        """
        if algorithm != CHOSEN:
            raise UnsupportedCaseError(f"cuDNN's graph API does not tell {algorithm} from other engines")
        arrays = tuple(map(fresh, (*operand_shapes(call), result_shape(call))))
        built, plans = self._plans(call, dtype, arrays)
        best = min(plans, key=lambda plan: plan.time)
        run = self._bind(built, best.index, arrays, self._workspace(best.workspace))
        return Prepared(calls=(run,), workspace=float(best.workspace))

    def plans(self, call: ConvolutionCall, dtype: str, fresh: Fresh) -> tuple[Plan, ...]:
        """Every plan that runs this pass, with its workspace and time.

        Raises:
            UnsupportedCaseError: there is none.
            OutOfMemoryError: there is no room for a workspace.
        """
        arrays = tuple(map(fresh, (*operand_shapes(call), result_shape(call))))
        return self._plans(call, dtype, arrays)[1]

    def _plans(
        self, call: ConvolutionCall, dtype: str, arrays: tuple[Array, ...]
    ) -> tuple[_Graph, tuple[Plan, ...]]:
        key = call, dtype
        if key not in self._graphs:
            built = self._build(call, dtype)
            plans = tuple(self._timed_plans(built, arrays))
            if not plans:
                raise UnsupportedCaseError("cuDNN's graph API has no plan that runs this pass")
            self._graphs[key] = built, plans
        return self._graphs[key]

    def _build(self, call: ConvolutionCall, dtype: str) -> _Graph:
        """The graph of a pass with all plans built.

        Raises:
            UnsupportedCaseError: cuDNN has no engine for it.
        """
        cudnn = self._cudnn
        data, wide = getattr(cudnn.data_type, FORMATS[dtype]), cudnn.data_type.FLOAT
        graph = cudnn.pygraph(
            io_data_type=data, intermediate_data_type=wide, compute_data_type=wide, handle=self._handle
        )
        try:
            tensors = _convolution(graph, call, data)
            graph.validate()
            graph.build_operation_graph()
            graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
            graph.check_support()
            graph.build_plans(cudnn.build_plan_policy.ALL)
        except (cudnn.cudnnGraphNotSupportedError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UnsupportedCaseError(f"cuDNN's graph API: {reason}") from None
        return _Graph(graph=graph, tensors=tensors)

    def _timed_plans(self, built: _Graph, arrays: tuple[Array, ...]) -> list[Plan]:
        """Plans that run; one whose workspace does not fit or that fails is left out."""
        found = []
        for index in range(built.graph.get_execution_plan_count()):
            try:
                space = int(built.graph.get_workspace_size_plan_at_index(index))
                run = self._bind(built, index, arrays, self._workspace(space))
                time = sample([run], self._timer(), BUDGET).quiet
            except (self._cudnn.cudnnGraphNotSupportedError, RuntimeError, OutOfMemoryError):
                continue
            name = str(built.graph.get_plan_name_at_index(index))
            found.append(Plan(index=index, name=name, workspace=space, time=time))
        return found

    def _workspace(self, space: int) -> Array:
        try:
            return self._allocate(max(space, 1))
        except MemoryError as error:
            raise OutOfMemoryError(f"cuDNN: workspace of {space} bytes: {error}") from None

    def _bind(
        self, built: _Graph, index: int, arrays: tuple[Array, ...], workspace: Array
    ) -> Callable[[], Array]:
        pack = dict(zip(built.tensors, arrays, strict=True))

        def run() -> Array:
            built.graph.execute_plan_at_index(pack, workspace, index, handle=self._handle)
            return arrays[-1]

        return run


def _convolution(graph: Any, call: ConvolutionCall, data: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401
    """The operands and the result of a pass as tensors of a graph."""
    s = call.shape
    first, second = (
        graph.tensor(name=name, dim=list(shape), stride=packed_strides(shape), data_type=data)
        for name, shape in zip(("first", "second"), operand_shapes(call), strict=True)
    )
    options = {
        "padding": list(padding_of(s)),
        "stride": [s.stride_height, s.stride_width],
        "dilation": [1, 1],
    }
    match call.which:
        case Pass.FORWARD:
            result = graph.conv_fprop(image=first, weight=second, **options)
        case Pass.INPUT_GRADIENT:
            result = graph.conv_dgrad(filter=first, loss=second, **options)
        case Pass.WEIGHT_GRADIENT:
            result = graph.conv_wgrad(image=first, loss=second, **options)
    shape = result_shape(call)
    result.set_output(True).set_dim(list(shape)).set_stride(packed_strides(shape)).set_data_type(data)
    return first, second, result


def packed_strides(shape: tuple[int, ...]) -> list[int]:
    """Elements between neighbours on each axis, the last axis being contiguous."""
    return [prod(shape[axis + 1 :]) for axis in range(len(shape))]


def find_frontend(cupy: Module, timer: Callable[[], Timer]) -> FrontendConvolutions | None:
    """The graph API on the current GPU; None where the frontend or cuDNN is not installed."""
    try:
        cudnn = import_module("cudnn")
        return FrontendConvolutions(cudnn, lambda space: cupy.empty((space,), dtype=cupy.uint8), timer)
    except Exception:  # noqa: BLE001 - a missing library shows as errors of many kinds
        return None
