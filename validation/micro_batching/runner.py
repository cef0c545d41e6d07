"""Runners: one convolution pass of one micro-batch, by one library and one named algorithm."""

from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from simdl.kernels.kernel import ConvolutionCall
from validation.microbenchmarks.arrays.convolutions import ALGORITHMS, convolve
from validation.microbenchmarks.backend import Backend

Array = Any
"""An array of the runner's library."""

Host = NDArray[np.float32]


class Runner(ABC):
    """A library on a device.

    Attributes:
        backend: the same library and device as microbenchmarks know them: clock, facts, memory.
        algorithms: that it can be told to run.
    """

    backend: Backend
    algorithms: tuple[str, ...]

    @abstractmethod
    def place(self, array: Host) -> Array:
        """The array on the device."""

    @abstractmethod
    def fetch(self, array: Array) -> Host:
        """The array on the host, once it is computed."""

    @abstractmethod
    def whole(self, batch: int, part: Array) -> Array:
        """Room for the result of a batch of which ``part`` is that of a micro-batch."""

    @abstractmethod
    def run(self, call: ConvolutionCall, algorithm: str, first: Array, second: Array) -> Array:
        """One pass; operands and result as in `array_convolutions.convolve`.

        Raises:
            UnsupportedCaseError: the algorithm does not apply.
        """


@final
class ArrayRunner(Runner):
    """Array code of NumPy or CuPy."""

    algorithms = ALGORITHMS

    def __init__(self, backend: Backend, library: ModuleType) -> None:
        self.backend, self._library = backend, library

    def place(self, array: Host) -> Array:
        """The array on the device."""
        return self._library.asarray(array)

    def fetch(self, array: Array) -> Host:
        """The array on the host."""
        found: Host = (
            array.get() if hasattr(array, "get") else np.asarray(array)
        )  # CuPy copies on demand only
        return found

    def whole(self, batch: int, part: Array) -> Array:
        """Room for the result of a batch."""
        return self._library.empty((batch, *part.shape[1:]), dtype=part.dtype)

    def run(self, call: ConvolutionCall, algorithm: str, first: Array, second: Array) -> Array:
        """One pass."""
        return convolve(self._library, call, algorithm, first, second)
