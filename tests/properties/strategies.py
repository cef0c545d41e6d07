"""Hypothesis strategies shared by the property tests."""

import itertools

from hypothesis import strategies as st
from programs import Task, build_program

from hardware.device import Device
from hardware.efficiency import (
    AttentionEfficiency,
    ConvolutionEfficiency,
    MatmulEfficiency,
    MemoryEfficiency,
)
from simdl.kernels.kernel import Product
from simdl.program.program import RankClass, Stream

FLAGS = st.fixed_dictionaries(
    {
        "gradient_overlap": st.booleans(),
        "parameter_overlap": st.booleans(),
        "pipeline_overlap": st.booleans(),
        "scatter_gather": st.booleans(),
        "contention": st.sampled_from([0.0, 0.3]),
        "bucket": st.sampled_from([1e4, 1e6, 1e9]),
        "launch": st.sampled_from([0.0, 8e-6]),
    }
)
"""What a stack overlaps, takes and costs."""

# Multiples of 1/64 add without rounding, so that equalities can be exact.
DURATIONS = st.integers(0, 640).map(lambda ticks: ticks / 64)


@st.composite
def schedules(draw, max_tasks=24):
    """Schedules without deadlock: compute, transfers, rendezvous, and ``after`` that points both ways."""
    ranks = draw(st.integers(1, 3))
    names = ("compute", "collective")
    streams = tuple(Stream(rank, name) for rank in range(ranks) for name in names)
    tasks = []
    for index in range(draw(st.integers(1, max_tasks))):
        held = draw(st.lists(st.integers(0, len(streams) - 1), min_size=1, max_size=2, unique=True))
        duration = draw(DURATIONS)
        parts = (("first", duration / 4), ("second", duration * 3 / 4))
        tasks.append(Task(f"task {index}", tuple(held), duration, _before(draw, index), parts=parts))
    if all(len(task.streams) == 1 for task in tasks) and draw(st.booleans()):
        tasks = _by_stream(tasks)
    return build_program(streams=streams, tasks=tuple(tasks))


@st.composite
def sharing_programs(draw, max_tasks=14):
    """Work that transfers slow down and transfers that share channels, on devices of two speeds.

    A transfer moves its bytes over all its channels at one rate.
    """
    ranks = draw(st.integers(1, 3))
    lanes = ("compute", "collective", "send-forward")
    streams = tuple(Stream(rank, lane) for rank in range(ranks) for lane in lanes)
    channels = tuple(draw(st.lists(st.sampled_from([1.0, 2.0, 4.0]), min_size=1, max_size=3)))
    classes = [
        RankClass(stage=rank, first=rank, speed=draw(st.sampled_from([0.5, 1.0]))) for rank in range(ranks)
    ]
    tasks = []
    for index in range(draw(st.integers(1, max_tasks))):
        work = draw(st.booleans())
        own = [number for number, stream in enumerate(streams) if (stream.name == "compute") == work]
        held = draw(st.lists(st.sampled_from(own), min_size=1, max_size=2, unique=True))
        task = Task(f"task {index}", tuple(held), draw(DURATIONS), _before(draw, index))
        tasks.append(task if work else task._replace(nbytes=1.0, **_taken(draw, channels)))
    return build_program(streams=streams, tasks=tasks, channels=channels, classes=classes)


def _before(draw, index):
    return tuple(draw(st.lists(st.integers(0, index - 1), max_size=3))) if index else ()


def _taken(draw, channels):
    """Shares of channels and of the device."""
    used = draw(st.sets(st.integers(0, len(channels) - 1), max_size=2))
    rate = draw(st.sampled_from([0.5, 1.0, 2.0]))
    shares = {number: min(1.0, rate / channels[number]) for number in sorted(used)}
    least = min((channels[number] * share for number, share in shares.items()), default=0.0)
    shares = {number: least / channels[number] for number in shares}
    return {"shares": shares, "footprint": draw(st.sampled_from([0.0, 0.25, 0.5]))}


def _by_stream(tasks):
    """The same tasks, stream after stream, so that some ``after`` point forward in the list."""
    order = sorted(range(len(tasks)), key=lambda index: tasks[index].streams)
    place = {old: new for new, old in enumerate(order)}
    return [tasks[old]._replace(after=tuple(place[before] for before in tasks[old].after)) for old in order]


def products():
    """Batches of matrix products from vectors to large layers."""
    size = st.integers(1, 5000)
    return st.builds(Product, size, size, size, st.integers(1, 64))


@st.composite
def kernel_devices(draw):
    """Devices with a vector dtype (fp32) and a matrix dtype (bf16), anywhere between old and new."""
    fraction = st.floats(0.3, 1.0)
    vector = draw(st.floats(5e12, 80e12))
    peaks = {"fp32": vector, "bf16": vector * draw(st.floats(4, 30))}
    return Device(
        name="generated",
        description="",
        generation="test",
        memory_capacity=16e9,
        memory_bandwidth=draw(st.floats(0.2e12, 8e12)),
        cache=40e6,
        multiprocessors=draw(st.integers(1, 160)),
        peak_flop_rate=peaks,
        vector_flop_rate=vector,
        power=0.0,
        matmul=MatmulEfficiency(
            fraction={name: draw(fraction) for name in peaks},
            latency=draw(st.floats(0, 1e-5)),
            epilogue=draw(st.floats(0, 1)),
            cache_ratio=draw(st.floats(1, 20)),
        ),
        memory=MemoryEfficiency(
            fraction=draw(fraction), reduction=draw(fraction), latency=draw(st.floats(0, 1e-5))
        ),
        attention=AttentionEfficiency(forward=draw(fraction), backward=draw(fraction)),
        convolution=ConvolutionEfficiency(
            fraction={"implicit_gemm": 1.0}, input_gradient=1.0, weight_gradient=1.0
        ),
    )


def sampled(timeline, rank):
    """Exposed seconds by looking at the middle between any two instants at which something changes."""
    instants = sorted({0.0, *timeline.start, *timeline.end})
    total = 0.0
    for begin, end in itertools.pairwise(instants):
        middle = (begin + end) / 2
        running = [
            timeline.program.streams[stream].name
            for index, task in enumerate(timeline.program.tasks)
            if timeline.start[index] < middle < timeline.end[index]
            for stream in task.streams
            if timeline.program.streams[stream].rank == rank
        ]
        if running and "compute" not in running:
            total += end - begin
    return total
