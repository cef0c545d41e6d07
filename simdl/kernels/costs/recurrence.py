"""Recurrent layers: the same small launch over and over, each waiting for the one before.

A library multiplies the inputs of all steps at once and walks through the steps with what is left: one
product with the recurrent weights and one kernel for the gates (Appleyard et al. 2016, arXiv:1604.01946,
sections 3.1 to 3.3). So a layer takes at least its steps times the latency of two kernels, whatever the
batch, and more: what one kernel hands to the next goes through memory, and DeepBench's recurrent rows
(`validation/published/cnn/deepbench_rnn.csv`, cuDNN 5 to 7) take a constant longer in every step than their
two kernels alone (``STEP_LATENCY``, docs/kernel-fit.md). Recurrent weights that fit in the last-level cache
are read from memory once, others in every step.
"""

from dataclasses import replace

from hardware.device import Device
from simdl.kernels.costs.matmul import ELEMENT_SIZE
from simdl.kernels.kernel import Kernel, Recurrence
from workloads.amounts import choose

STEP_LATENCY = {"kepler": 57e-6, "maxwell": 57e-6, "cpu": 0.0, "tpu": 0.0, "wafer": 0.0}
"""[s] of a step beside its two kernels, by generation of the device: fitted on M40 and TITAN X; Kepler is
assumed alike; hosts and compiled programs launch nothing."""
LATER_LATENCY = 23e-6
"""[s] the same of all other devices: fitted on V100, between its FP16 (28) and FP32 rows (18)."""


def recurrence_time(recurrence: Recurrence, device: Device, step: float) -> float:
    """Seconds of all steps.

    Args:
        recurrence: of the kernel.
        device: where.
        step: [s] of one step as a launch of its own.
    """
    waits = 0.0 if recurrence.product is None else STEP_LATENCY.get(device.generation, LATER_LATENCY)
    if device.kernels:  # measured step by step
        waits = 0.0
    return recurrence.steps * (step + waits)


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
