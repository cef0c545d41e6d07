"""PyTorch's convolutions, pass by pass: what `validation.microbenchmarks.pytorch.convolutions` times."""

from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import Any, final

from simdl.errors import SimdlError
from simdl.kernels.kernel import ConvolutionCall
from validation.micro_batching.runner import Array, Host, Runner
from validation.microbenchmarks.arrays.convolutions import padding_of
from validation.microbenchmarks.backend import Backend
from workloads.operators import ConvolutionShape, Pass


@final
class TorchRunner(Runner):
    """PyTorch on the processor or a GPU, in FP32 without TF32."""

    def __init__(self, backend: Backend, torch: ModuleType, device: str) -> None:
        self.backend, self._torch, self._device = backend, torch, device
        self.algorithms = backend.offer().algorithms
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False

    def place(self, array: Host) -> Array:
        """The array on the device."""
        return self._torch.tensor(array, device=self._device)

    def fetch(self, array: Array) -> Host:
        """The array on the host."""
        found: Host = array.cpu().numpy()
        return found

    def whole(self, batch: int, part: Array) -> Array:
        """Room for the result of a batch."""
        return part.new_empty((batch, *part.shape[1:]))

    def run(self, call: ConvolutionCall, algorithm: str, first: Array, second: Array) -> Array:
        """One pass, without a graph."""
        with self._torch.no_grad(), self._library(algorithm):
            return _checked(call, self._pass(call, first, second))

    def _library(self, algorithm: str) -> AbstractContextManager[None]:
        """OneDNN switched off for PyTorch's own product."""
        if algorithm != "gemm":
            return nullcontext()
        off: AbstractContextManager[None] = self._torch.backends.mkldnn.flags(enabled=False, allow_tf32=None)
        return off

    def _pass(self, call: ConvolutionCall, first: Array, second: Array) -> Array:
        s = call.shape
        strides, padding = (s.stride_height, s.stride_width), padding_of(s)
        if call.which is Pass.FORWARD:
            return self._torch.nn.functional.conv2d(first, second, None, strides, padding, 1, s.groups)
        inner = call.which is Pass.INPUT_GRADIENT
        # the operand that is not needed gives its shape only
        source = _like(second, _source_extents(s, second.shape[0])) if inner else first
        weights = first if inner else _like(second, _filter_extents(s))
        mask = (inner, not inner, False)
        found = self._torch.ops.aten.convolution_backward(
            second, source, weights, None, strides, padding, (1, 1), False, (0, 0), s.groups, mask
        )
        return found[0] if inner else found[1]


def _like(array: Array, extents: tuple[int, ...]) -> Array:
    return array.new_empty(1).expand(extents)


def _source_extents(shape: ConvolutionShape, batch: int) -> tuple[int, ...]:
    return batch, shape.in_channels, shape.in_height, shape.in_width


def _filter_extents(shape: ConvolutionShape) -> tuple[int, ...]:
    inner = shape.in_channels // shape.groups
    return shape.out_channels, inner, shape.kernel_height, shape.kernel_width


def _checked(call: ConvolutionCall, result: Any) -> Array:  # noqa: ANN401 - a tensor
    """The result, whose extent is that of the layer: PyTorch pads both sides alike.

    Raises:
        SimdlError: the layer's padding is not even.
    """
    s, wanted = call.shape, (call.shape.out_height, call.shape.out_width)
    if call.which is Pass.FORWARD and tuple(result.shape[2:]) != wanted:
        raise SimdlError(
            f"{s}: PyTorch gives {tuple(result.shape[2:])}; expected a layer padded alike on both sides"
        )
    return result
