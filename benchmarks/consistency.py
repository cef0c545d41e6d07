"""Speed of trainings without a barrier beside bare SimPy timeouts in the same run.

Workers push gradients to a few servers and pull parameters back. A task is a computation, or the way of one
part of a message over one port. The bare loop sets one timeout after the other, as many at once as there are
workers, and does nothing when they ring.

    python benchmarks/consistency.py [--workers 1024] [--servers 4] [--steps 100]
"""

import argparse
import sys
from time import process_time

from simpy import Environment, Timeout

from planner.questions.question import Options, load_question
from simdl.step.strategy import Strategy
from simdl.synchrony.registry import find_scheme
from simdl.synchrony.simulate import compare_schemes
from simdl.synchrony.training import Setting


def bare(events: int, together: int) -> float:
    """Timeouts a second of processor time of a loop that does nothing else."""
    environment = Environment()
    left = events

    def again(_event) -> None:
        nonlocal left
        left -= 1
        if left > 0:
            Timeout(environment, 1.0).callbacks.append(again)

    for number in range(together):
        Timeout(environment, number / together).callbacks.append(again)
    began = process_time()
    environment.run()
    return events / (process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=1024)
    parser.add_argument("--servers", type=int, default=4)
    parser.add_argument("--steps", type=int, default=100)
    asked = parser.parse_args()
    nodes = -(-asked.workers // 8)
    options = Options(model="resnet50", cluster=f"dgx-a100:{nodes}", global_batch=64 * asked.workers)
    question = load_question(options)
    setting = Setting(workers=asked.workers, needed=asked.workers, steps=asked.steps, servers=asked.servers)
    began = process_time()
    found = compare_schemes(
        question.workload,
        question.cluster,
        Strategy(dp=asked.workers, micro_batch=64),
        stack=question.stack,
        scheme=find_scheme("asynchronous"),
        setting=setting,
    )
    seconds = process_time() - began
    tasks = asked.workers * asked.steps * (1 + 4 * asked.servers)
    rate, plain = tasks / seconds, bare(min(tasks, 1_000_000), asked.workers)
    sys.stdout.write(
        f"{asked.workers} workers, {asked.servers} servers, {asked.steps} steps: {seconds:.2f} s of a core, "
        f"{rate:,.0f} tasks/s; bare SimPy {plain:,.0f} timeouts/s; ratio {rate / plain:.2f}; "
        f"a step of {found.outcome.step_time:.4g} s\n"
    )


if __name__ == "__main__":
    main()
