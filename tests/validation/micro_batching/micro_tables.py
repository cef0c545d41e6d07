"""Tables of convolution times, made up, for a network that is small enough to run."""

from planner.microbatch.convolutions import network_convolutions
from simdl.kernels.convolution_table import ConvolutionRow, write_convolution_table
from simdl.kernels.kernel import ConvolutionCall
from validation.microbenchmarks.arrays.convolutions import refuse, workspace_of
from validation.microbenchmarks.backend import UnsupportedCaseError
from workloads.registry import load_network

BATCHES = (1, 2, 4, 8)
SPEEDS = {"implicit_gemm": 4.0, "gemm": 2.0, "fft": 1.0}
"""Seconds that one sample takes, so that the fastest algorithm is the one with most workspace."""


def lenet_passes():
    return network_convolutions(load_network("lenet5"))


def table_rows(device="made-up", algorithms=tuple(SPEEDS)):
    return [
        ConvolutionRow(
            device=device,
            layer=part.layer,
            which=part.which,
            algorithm=algorithm,
            batch=batch,
            time=SPEEDS[algorithm] * batch + 0.01,
            workspace=workspace_of(ConvolutionCall(part.shape, batch, part.which), algorithm),
        )
        for part in lenet_passes()
        for algorithm in algorithms
        for batch in BATCHES
        if applies(ConvolutionCall(part.shape, batch, part.which), algorithm)
    ]


def applies(call, algorithm):
    try:
        refuse(call, algorithm)
    except UnsupportedCaseError:
        return False
    return True


def workspace_between():
    """[bytes] with which FFT runs on parts of a batch of eight, but not on the whole."""
    rows = [row for row in table_rows() if row.algorithm == "fft"]
    return max(row.workspace for row in rows if row.batch == 4)


def write_table(path, **options):
    write_convolution_table(path, table_rows(**options))
    return path
