"""Recurrent layers: the same small launch over and over, each waiting for the one before.

A library multiplies the inputs of all steps at once and walks through the steps with what is left: one
product with the recurrent weights and one kernel for the gates (Appleyard et al. 2016, arXiv:1604.01946,
sections 3.1 to 3.3). So a layer takes at least its steps times the latency of two kernels, whatever the
batch, and more: what one kernel hands to the next goes through memory, and DeepBench's recurrent rows
(`validation/published/cnn/deepbench_rnn.csv`, cuDNN 5 to 7) take a constant longer in every step than their
two kernels alone (``step_latency`` of `hardware.architecture`). Recurrent weights that fit in the last-level
cache are read from memory once, others in every step.
"""

from dataclasses import replace

from hardware.architecture import architecture_named
from hardware.device import Device
from simdl.kernels.costs.matmul import ELEMENT_SIZE
from simdl.kernels.kernel import Kernel, Recurrence
from workloads.amounts import choose


def recurrence_time(recurrence: Recurrence, device: Device, step: float) -> float:
    """Seconds of all steps.

    Args:
        recurrence: of the kernel.
        device: where.
        step: [s] of one step as a launch of its own.
    """
    if recurrence.product is None or device.kernels:  # the second kernel, or measured step by step
        return recurrence.steps * step
    return recurrence.steps * (step + architecture_named(device.generation).step_latency)


def one_step(kernel: Kernel, recurrence: Recurrence, device: Device) -> Kernel:
    """A step of a recurrent kernel as a launch of its own."""
    steps, product = recurrence.steps, recurrence.product
    nbytes = kernel.nbytes / steps
    if product is not None:
        weights = ELEMENT_SIZE[kernel.dtype] * product.k * product.n * product.count
        nbytes -= choose(weights <= device.cache, weights * (1 - 1 / steps), 0.0)
    return replace(kernel, flops=kernel.flops / steps, nbytes=nbytes, shape=product)


STEP_OPERATORS = 8
"""Element-wise operators of a step where no library walks through the steps: three sigmoids, two tanh, two
products and a sum of an LSTM cell (PyTorch, aten/src/ATen/native/RNN.cpp, ``LSTMCell``)."""


def host_launches(shape: object, device: Device) -> int:
    """What the host launches for a kernel: a library's whole walk, on a host every operator of every step."""
    if not isinstance(shape, Recurrence) or device.generation != "cpu":
        return 1
    return shape.steps * (STEP_OPERATORS if shape.product is None else 1)
