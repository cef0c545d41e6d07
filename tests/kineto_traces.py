"""Traces for tests: a recorded one, and a made-up step of a GPU that can be worked through by hand."""

from pathlib import Path

RECORDED = Path(__file__).parent / "data" / "kineto" / "lenet5-cpu.json"


def event(category, name, ts, dur, lane=(1, 1), **args):
    return {
        "ph": "X",
        "cat": category,
        "name": name,
        "pid": lane[0],
        "tid": lane[1],
        "ts": ts,
        "dur": dur,
        "args": args,
    }


def gpu_step(number, start):
    """100 us: product 0-30, all-reduce 20-50, copy 50-55, Adam 60-70, an unknown kernel 70-80 of aten::relu.

    The host asks for everything within the first 25 us, and marks the step as 40 us long; times are from
    40 us after its start.
    """
    call = 10 * number
    device, network = (0, 7), (0, 20)
    at = start + 40
    launches = [(1, 5), (2, 10), (3, 12), (4, 21), (5, 24)]
    return [
        event("user_annotation", f"ProfilerStep#{number}", start, 40),
        event("user_annotation", "Optimizer.step#Adam.step", start + 20, 3),
        event("cpu_op", "aten::relu", start + 23, 2, **{"External id": call + 5}),
        *(
            event("cuda_runtime", "cudaLaunchKernel", start + offset, 1, correlation=call + which)
            for which, offset in launches
        ),
        event("kernel", "sm80_xmma_gemm_f32f32", at, 30, device, correlation=call + 1),
        event("kernel", "ncclDevKernel_AllReduce_Sum", at + 20, 30, network, correlation=call + 2),
        event("gpu_memcpy", "Memcpy HtoD", at + 50, 5, device, correlation=call + 3),
        event("kernel", "vectorized_elementwise_kernel", at + 60, 10, device, correlation=call + 4),
        event("kernel", "mystery", at + 70, 10, device, correlation=call + 5, **{"External id": call + 5}),
    ]


def gpu_trace(steps=3):
    """Steps of 100 us one after another."""
    return {"traceEvents": [found for number in range(steps) for found in gpu_step(number, 100 * number)]}
