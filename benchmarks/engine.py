"""Speed and memory of the engine against a bare SimPy loop of the same program in the same run.

The program is a 1F1B pipeline whose passes send to their neighbours beside computation. With sharing, four
neighbouring ranks send through one port in each direction and every transfer takes a tenth of its device, so
most transfers share and most work is slowed.

The bare loop is what one would write first in SimPy: one process per stream, which yields the end events of
the tasks that its next task waits for, then a timeout, and then triggers that task's own end event if
another task waits for it. It checks nothing and shares nothing.

    python benchmarks/engine.py [--ranks 64] [--microbatches 512] [--repetitions 5]
"""

import argparse
import gc
import sys
import tracemalloc
from collections.abc import Generator
from statistics import median
from time import perf_counter

from simpy import Environment, Event

from simdl.engine.run import run
from simdl.pipelines import pipeline_order
from simdl.pipelines.passes import PassKind, passes_of
from simdl.program.action import Cause, Load, Purpose, Transfer, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel, Lane, Program, RankClass, Stream

LANES = (Lane.COMPUTE, Lane.SEND_FORWARD, Lane.SEND_BACKWARD)
NEIGHBOURS = 4  # ranks that send through the same port


def build(ranks: int, microbatches: int, *, sharing: bool) -> Program:
    """A 1F1B pipeline of ``ranks`` whose forward passes take 1 ms, backward passes 2 ms, transfers 0.5 ms."""
    builder = ProgramBuilder(
        [RankClass(stage=rank, first=rank) for rank in range(ranks)],
        [Stream(rank, lane) for rank in range(ranks) for lane in LANES],
    )
    tasks: dict[tuple[PassKind, int, int], int] = {}
    sends: dict[tuple[PassKind, int, int], int] = {}
    for rank, order in enumerate(pipeline_order("1f1b", ranks, microbatches)):
        actions = {kind: builder.action(_work(kind, rank)) for kind in (PassKind.FORWARD, PassKind.BACKWARD)}
        messages = {kind: builder.action(_send(builder, kind, rank, sharing=sharing)) for kind in actions}
        for entry in order:
            for kind, microbatch, _ in passes_of(entry):
                forward = kind is PassKind.FORWARD
                task = builder.add(actions[kind], len(LANES) * rank, microbatch=microbatch)
                tasks[kind, microbatch, rank] = task
                if rank + 1 < ranks if forward else rank:
                    stream = len(LANES) * rank + (1 if forward else 2)
                    sends[kind, microbatch, rank] = builder.add(
                        messages[kind], stream, (task,), microbatch=microbatch
                    )
    for (kind, microbatch, rank), task in tasks.items():
        sender = rank - 1 if kind is PassKind.FORWARD else rank + 1
        if (kind, microbatch, sender) in sends:
            builder.wait(task, sends[kind, microbatch, sender])
    return builder.program()


def _work(kind: PassKind, rank: int) -> Work:
    if kind is PassKind.FORWARD:
        return Work(purpose=Purpose.FORWARD, parts=((Cause.FORWARD, 1e-3),), stage=rank)
    return Work(purpose=Purpose.BACKWARD, parts=((Cause.BACKWARD, 2e-3),), stage=rank)


def _send(builder: ProgramBuilder, kind: PassKind, rank: int, *, sharing: bool) -> Transfer:
    forward = kind is PassKind.FORWARD
    port = f"port of ranks {rank // NEIGHBOURS * NEIGHBOURS} on, {'out' if forward else 'in'}"
    return Transfer(
        purpose=Purpose.SEND_ACTIVATION if forward else Purpose.SEND_GRADIENT,
        cause=Cause.PIPELINE,
        operation=None,
        ranks=2,
        nbytes=1e6,
        duration=5e-4,
        loads=(Load(builder.channel(Channel(name=port, bandwidth=1e10)), 1.0),) if sharing else (),
        footprint=0.1 if sharing else 0.0,
        stage=rank,
    )


def bare_loop(program: Program) -> float:
    """Step time [s] of a program whose tasks hold one stream each."""
    environment = Environment()
    queues: list[list[tuple[int, float, tuple[int, ...]]]] = [[] for _ in program.streams]
    needed = set(program.befores)
    ends = {index: environment.event() for index in needed}
    for index, number in enumerate(program.action):
        entry = (index, program.actions[number].duration, program.after(index))
        queues[program.stream[index]].append(entry)

    def stream(queue: list[tuple[int, float, tuple[int, ...]]]) -> Generator[Event, None, None]:
        for index, duration, after in queue:
            for before in after:
                if not ends[before].processed:
                    yield ends[before]
            yield environment.timeout(duration)
            if index in needed:
                ends[index].succeed()

    for queue in queues:
        environment.process(stream(queue))
    environment.run()
    return environment.now


def peak_bytes(ranks: int, microbatches: int, *, sharing: bool) -> tuple[float, float]:
    """[bytes] per pass at the peak of building and running a program, and of running it alone."""
    pipeline_order("1f1b", ranks, microbatches)
    gc.collect()
    tracemalloc.start()
    program = build(ranks, microbatches, sharing=sharing)
    built = tracemalloc.get_traced_memory()[0]
    building = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    run(program)
    running = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    passes = 2 * ranks * microbatches
    return max(building, running) / passes, (running - built) / passes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=64)
    parser.add_argument("--microbatches", type=int, default=512)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    sizes = options.ranks, options.microbatches
    alone, sharing = (build(*sizes, sharing=sharing) for sharing in (False, True))
    cases = {
        "alone": lambda: run(alone).step_time,
        "sharing": lambda: run(sharing).step_time,
        "bare": lambda: bare_loop(alone),
    }
    speeds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(options.repetitions):
        for name, function in cases.items():
            began = perf_counter()
            step = function()
            speeds[name].append(len(alone) / (perf_counter() - began))
            sys.stderr.write(f"{name}: step {step:.6f} s, {speeds[name][-1]:,.0f} tasks/s\n")
    print(f"tasks                              {len(alone):>12,}")
    print(f"bare SimPy loop, tasks/s           {median(speeds['bare']):>12,.0f}")
    for name, least in (("alone", 1.0), ("sharing", 0.5)):
        ratio = median(one / bare for one, bare in zip(speeds[name], speeds["bare"], strict=True))
        total, own = peak_bytes(*sizes, sharing=name == "sharing")
        print(f"engine, {name + ', tasks/s':<20}       {median(speeds[name]):>12,.0f}")
        print(f"  / bare loop                      {ratio:>12.2f}   (at least {least:.2f})")
        print(f"  building and running, bytes/pass {total:>12,.0f}   (at most 500)")
        print(f"  running alone, bytes/pass        {own:>12,.0f}")


if __name__ == "__main__":
    main()
