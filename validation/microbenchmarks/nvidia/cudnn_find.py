"""Convolutions by cuDNN's legacy algorithms: which run, how much workspace each takes, and running one.

``cudnnFindConvolution*AlgorithmEx`` tries every algorithm of a pass and reports status, time, workspace and
arithmetic of each. It runs each once, which tells little of a time: times are therefore taken with the chosen
algorithm called like any other kernel. A version whose search fails as a whole is asked for the workspace of
each algorithm instead.
"""

from collections.abc import Callable, Mapping, Sequence
from ctypes import POINTER, byref, c_float, c_int, c_size_t, cast
from dataclasses import dataclass
from typing import Any, final

from simdl.kernels.costs.convolution_launch import WORKSPACE_LIMIT
from simdl.kernels.kernel import ConvolutionCall
from validation.microbenchmarks.arrays.convolutions import operand_shapes, result_shape
from validation.microbenchmarks.backend import OutOfMemoryError, Prepared, UnsupportedCaseError
from validation.microbenchmarks.nvidia.cudnn_algorithms import ALGORITHMS, NAMES, Algorithm, read_rows
from validation.microbenchmarks.nvidia.cudnn_descriptors import Descriptors, describe
from validation.microbenchmarks.nvidia.cudnn_library import FUNCTIONS, CudnnError, CudnnLibrary, Performance

CANDIDATES = 32
"""Rows asked of a search: every algorithm with every math type."""

Array = Any
"""An array in device memory at ``data.ptr``."""

Fresh = Callable[..., Array]

Allocate = Callable[[int], Any]
"""[bytes] to device memory at ``ptr``; raises MemoryError where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """Arrays of one pass, in the order of `array_convolutions.convolve`."""

    first: Array
    second: Array
    result: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A pass, and what each of its algorithms needs."""

    descriptors: Descriptors
    algorithms: Mapping[str, Algorithm]


@final
class CudnnConvolutions:
    """cuDNN on the current device.

    Args:
        library: its functions.
        allocate: device memory.
        free: [bytes] of device memory that are free now.
    """

    algorithms = ALGORITHMS

    def __init__(self, library: CudnnLibrary, allocate: Allocate, free: Callable[[], float]) -> None:
        self.library = library
        self._allocate, self._free = allocate, free
        self._handle = library.create("cudnnCreate")
        self._plans: dict[tuple[ConvolutionCall, str], _Plan] = {}
        self._scratch: tuple[int, Any] = (0, None)

    @property
    def version(self) -> str:
        """Of cuDNN."""
        return self.library.version

    def release(self) -> None:
        """Give the scratch memory back."""
        self._scratch = (0, None)

    def prepare(self, call: ConvolutionCall, name: str, dtype: str, fresh: Fresh) -> Prepared:
        """One set of buffers and the call of an algorithm's pass.

        Raises:
            UnsupportedCaseError: cuDNN has no such algorithm for this pass, shape or arithmetic.
            OutOfMemoryError: there is no room for its workspace.
        """
        _check_name(call, name)
        first, second = map(fresh, operand_shapes(call))
        buffers = Buffers(first=first, second=second, result=fresh(result_shape(call)))
        found = self.algorithm(call, name, dtype, buffers)
        self._reserve(found.workspace)
        return Prepared(
            calls=(lambda: self.run(call, name, dtype, buffers),), workspace=float(found.workspace)
        )

    def run(self, call: ConvolutionCall, name: str, dtype: str, buffers: Buffers) -> Array:
        """One pass into the buffers' result, which it returns.

        Raises:
            UnsupportedCaseError: cuDNN has no such algorithm for this pass, shape or arithmetic.
            OutOfMemoryError: there is no room for its workspace.
        """
        chosen = self.algorithm(call, name, dtype, buffers)
        scratch = self._reserve(chosen.workspace)
        made = self._plans[call, dtype].descriptors
        try:
            self.library.call(
                FUNCTIONS[call.which][2],
                *(self._handle, byref(c_float(1.0))),
                *_operands(made, buffers),
                *(made.convolution, chosen.number, scratch, chosen.workspace),
                *(byref(c_float(0.0)), made.result, buffers.result.data.ptr),
            )
        except CudnnError as error:
            raise UnsupportedCaseError(f"cuDNN: {name}: {error}") from None
        return buffers.result

    def algorithm(self, call: ConvolutionCall, name: str, dtype: str, buffers: Buffers) -> Algorithm:
        """What an algorithm needs; the first call for a shape searches, and may overwrite the result.

        Raises:
            UnsupportedCaseError: it does not run.
            OutOfMemoryError: there is no room for its workspace.
        """
        _check_name(call, name)
        if (call, dtype) not in self._plans:
            self._plans[call, dtype] = self._search(call, dtype, buffers)
        found = self._plans[call, dtype].algorithms[name]
        if "alloc" in found.refused:
            raise OutOfMemoryError(f"cuDNN: {name}: {found.refused}")
        if found.refused:
            raise UnsupportedCaseError(f"cuDNN: {name}: {found.refused}")
        return found

    def _search(self, call: ConvolutionCall, dtype: str, buffers: Buffers) -> _Plan:
        try:
            made = describe(self.library, call, dtype)
        except CudnnError as error:
            raise UnsupportedCaseError(f"cuDNN: {error}") from None
        try:
            rows = self._find(call, made, buffers)
        except CudnnError:
            return _Plan(descriptors=made, algorithms=self._ask_workspaces(call, made))
        return _Plan(descriptors=made, algorithms=read_rows(self.library, call.which, dtype, rows))

    def _find(self, call: ConvolutionCall, made: Descriptors, buffers: Buffers) -> Sequence[Performance]:
        """Every algorithm tried once, with as much workspace as there is."""
        self.release()
        scratch, space = self._allocate_most(int(min(WORKSPACE_LIMIT, self._free() / 2)))
        rows, returned = (Performance * CANDIDATES)(), c_int()
        self.library.call(
            FUNCTIONS[call.which][0],
            self._handle,
            *_operands(made, buffers),
            *(made.convolution, made.result, buffers.result.data.ptr),
            *(CANDIDATES, byref(returned), cast(rows, POINTER(Performance)), scratch.ptr, space),
        )
        return rows[: returned.value]

    def _allocate_most(self, space: int) -> tuple[Any, int]:
        """Memory of this many bytes, or of as many as can be had by halving."""
        while True:
            try:
                return self._allocate(max(space, 1)), space
            except MemoryError as error:
                if space < 1 << 20:
                    raise OutOfMemoryError(f"cuDNN: workspace for a search: {error}") from None
                space //= 2

    def _ask_workspaces(self, call: ConvolutionCall, made: Descriptors) -> dict[str, Algorithm]:
        """Workspace of every algorithm by number, where there is no search."""
        found = {}
        for number, name in NAMES[call.which].items():
            space = c_size_t()
            arguments = made.first, made.second, made.convolution, made.result, number, byref(space)
            try:
                self.library.call(FUNCTIONS[call.which][1], self._handle, *arguments)
                found[name] = Algorithm(number=number, workspace=space.value)
            except CudnnError as error:
                found[name] = Algorithm(number=number, refused=str(error))
        return found

    def _reserve(self, space: int) -> int:
        """Address of scratch memory that all calls share, at least this large.

        Raises:
            OutOfMemoryError: it does not fit.
        """
        held, memory = self._scratch
        if space > held:
            self._scratch = (0, None)
            try:
                memory = self._allocate(space)
            except MemoryError as error:
                raise OutOfMemoryError(f"cuDNN: workspace of {space} bytes: {error}") from None
            self._scratch = (space, memory)
        return int(memory.ptr) if memory is not None else 0


def _check_name(call: ConvolutionCall, name: str) -> None:
    if name == "direct" or name not in NAMES[call.which].values():
        raise UnsupportedCaseError(f"cuDNN has no {name} for {call.which.value}")


def _operands(made: Descriptors, buffers: Buffers) -> tuple[object, ...]:
    """Descriptor and address of either operand, as every function takes them."""
    return made.first, buffers.first.data.ptr, made.second, buffers.second.data.ptr
