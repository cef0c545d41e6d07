"""Speed of the engine against a bare SimPy loop of the same schedule in the same run.

The bare loop is what one would write first in SimPy: one process per stream, which yields the end events of
the tasks that its next task waits for, then a timeout, and then triggers that task's own end event if
another task waits for it. It checks nothing.

    python benchmarks/engine.py [--ranks 64] [--microbatches 512] [--repetitions 5]
"""

import argparse
import sys
from collections.abc import Generator
from statistics import median
from time import perf_counter

from simpy import Environment, Event

from simdl.engine import run
from simdl.pipelines import pipeline_order
from simdl.pipelines.constant_costs import constant_cost_schedule
from simdl.task import Schedule, Task


def bare_loop(schedule: Schedule) -> float:
    """Step time [s] of a schedule whose tasks hold one stream each."""
    environment = Environment()
    queues: list[list[tuple[int, Task]]] = [[] for _ in schedule.streams]
    needed = {before for task in schedule.tasks for before in task.after}
    ends = {index: environment.event() for index in needed}
    for index, task in enumerate(schedule.tasks):
        queues[task.streams[0]].append((index, task))

    def stream(queue: list[tuple[int, Task]]) -> Generator[Event, None, None]:
        for index, task in queue:
            for before in task.after:
                if not ends[before].processed:
                    yield ends[before]
            yield environment.timeout(task.duration)
            if index in needed:
                ends[index].succeed()

    for queue in queues:
        environment.process(stream(queue))
    environment.run()
    return environment.now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ranks", type=int, default=64)
    parser.add_argument("--microbatches", type=int, default=512)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    orders = pipeline_order("1f1b", options.ranks, options.microbatches)
    schedule = constant_cost_schedule(orders, forward=1e-3, backward=2e-3, transfer=1e-4)
    rates: dict[str, list[float]] = {"engine": [], "bare": []}
    for _ in range(options.repetitions):
        for name, function in (
            ("engine", lambda: run(schedule).step_time),
            ("bare", lambda: bare_loop(schedule)),
        ):
            began = perf_counter()
            step = function()
            rates[name].append(len(schedule.tasks) / (perf_counter() - began))
            sys.stderr.write(f"{name}: step {step:.6f} s, {rates[name][-1]:,.0f} tasks/s\n")
    ratios = [engine / bare for engine, bare in zip(rates["engine"], rates["bare"], strict=True)]
    print(f"tasks                        {len(schedule.tasks):>12,}")
    print(f"engine, tasks/s              {median(rates['engine']):>12,.0f}")
    print(f"bare SimPy loop, tasks/s     {median(rates['bare']):>12,.0f}")
    print(f"engine / bare loop           {median(ratios):>12.2f}   (at least 0.50)")


if __name__ == "__main__":
    main()
