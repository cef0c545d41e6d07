"""Speed and tightness of the planner beside a bare SimPy loop (named planner.py, it would hide the package).

- screen: candidates of the space that the stack offers, enumerated and bounded cold (no cache is warm), a
  second, over the tasks a second that the bare loop of ``engine.py`` runs in the same run (at least 1), in
  processor time; the median over turns in which all take part, so that a busy machine slows them alike. All
  candidates are bounded by the work of their ranks, and as many by memory and the close bound as it takes to
  know the ``TOP`` that fit and take least: what a plan knows when it simulates the first of them;
- close: the same with memory and the close bound of all;
- bounds: of every registered schedule the bound over the simulated step, on a sample of candidates;
- plan: seconds of whole plans;
- step: one simulated step of Megatron-1T on 3,072 A100s, 64 stages: seconds, and bytes per pass at the peak
  of lowering and running it (at most 500);
- devices: simulating 100,000 devices over 1,000 with the same pipeline.

    python benchmarks/planning.py [--turns 5] [--quick]
"""

import argparse
import gc
import tracemalloc
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from statistics import fmean, median
from time import perf_counter, process_time

import numpy as np
from engine import bare_loop, build

from planner.bounds.estimate import estimate_bounds
from planner.questions.question import Options, Question, load_question
from planner.search.plan import plan, stack_limits
from planner.space.candidates import Limits, enumerate_space
from simdl.engine.run import run
from simdl.memory.needs import usable_memory
from simdl.pipelines import PIPELINES
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.lowering.step_lowering import lower
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Recompute, Strategy

SCREENS = (("gpt3-175b", "dgx-a100:512"), ("llama3.1-405b", "dgx-h100:2048"))
IMAGES = (("vgg16", "dgx-1-v100:8"), ("resnet152", "dgx-1-v100:8"), ("densenet121", "dgx-1-v100:8"))
CACHED = type(lru_cache(len))
SAMPLE = 40  # candidates simulated per schedule
TOP = 5  # plans that `simdl plan` ranks


def load(model: str, cluster: str, batch: int | None = None) -> Question:
    return load_question(Options(model=model, cluster=cluster, global_batch=batch))


def forget() -> None:
    """Empty every cache, as a new process has them."""
    for found in gc.get_objects():
        if isinstance(found, CACHED):
            found.cache_clear()
    gc.collect()


def screen(model: str, cluster: str, *, close: bool = False) -> tuple[int, float]:
    """Candidates and seconds of a cold screen; ``close`` asks for memory and the close bound of all."""
    forget()
    question = load(model, cluster)
    pricing = price(question.workload, question.cluster, stack=question.stack)
    began = process_time()
    space = enumerate_space(question.workload, question.cluster, limits=stack_limits(question.stack))
    bounds = estimate_bounds(space, question.workload, pricing)
    if close:
        bounds.step_times(bounds.fits)
    else:
        found = [*islice(bounds.in_order(np.arange(len(space))), TOP)]
        assert found
    return len(space), process_time() - began


def screens(turns: int) -> None:
    program = build(64, 128, sharing=False)
    rates: dict[object, list[float]] = {"bare": []}
    sizes = {}
    for _ in range(turns):
        began = process_time()
        bare_loop(program)
        rates["bare"].append(len(program) / (process_time() - began))
        for question in (*SCREENS, *IMAGES):
            for close in (False, True):
                sizes[question, close], seconds = screen(*question, close=close)
                rates.setdefault((question, close), []).append(sizes[question, close] / seconds)
    print(f"{'bare SimPy loop':<34}{median(rates['bare']):>12,.0f} tasks/s")
    for (question, close), count in sizes.items():
        pairs = zip(rates[question, close], rates["bare"], strict=True)
        ratio = median(one / bare for one, bare in pairs)
        target = "   (at least 1)" if question in SCREENS and not close else ""
        name = f"{'close' if close else 'screen'} of {' '.join(question)}"
        print(
            f"{name:<34}{median(rates[question, close]):>12,.0f} candidates/s of {count:,}, "
            f"{ratio:.2f} of the loop{target}"
        )


def tightness() -> None:
    """Bound over simulated step by schedule, on the default stack freed of what it cannot run."""
    question = load("gpt3-6.7b", "dgx-a100:4", 128)
    workload, cluster, stack = question.workload, question.cluster, question.stack
    stack = replace(stack, schedules=())
    space = enumerate_space(workload, cluster, limits=Limits(schedules=tuple(PIPELINES)))
    bounds = estimate_bounds(space, workload, price(workload, cluster, stack=stack))
    fits = bounds.memory <= usable_memory(stack, cluster.device)
    generator = np.random.default_rng(0)
    for name in space.schedules:
        of_it = np.flatnonzero((space.schedule == space.schedules.index(name)) & fits)
        of_it = of_it[(space.pp[of_it] > 1) & (space.microbatches[of_it] <= 64)]
        chosen = generator.choice(of_it, min(SAMPLE, len(of_it)), replace=False).tolist()
        ratios = [
            bounds.step_time[index]
            / simulate(workload, cluster, space.strategy(index), stack=stack).report.step_time
            for index in chosen
        ]
        if ratios:
            print(f"{'bound / simulated, ' + name:<42}{fmean(ratios):>8.3f} mean{min(ratios):>8.3f} least")


def plans() -> None:
    for model, cluster, batch, target in (
        ("gpt3-175b", "dgx-a100:512", None, "at most 10 s"),
        ("megatron-1t", "dgx-a100:384", 9216, "at most 20 s of processor time"),
    ):
        forget()
        question = load(model, cluster, batch)
        began = process_time()
        result = plan(question.workload, question.cluster, stack=question.stack)
        print(
            f"{'plan of ' + model:<28}{result.wall_time:>12.2f} s, {process_time() - began:.2f} s of "
            f"processor time ({target}); {result.candidates:,} candidates, {result.simulated} simulated, "
            f"certified: {result.certified}"
        )


def step() -> None:
    question = load("megatron-1t", "dgx-a100:384")
    strategy = Strategy(dp=6, tp=8, pp=64, recompute=Recompute.SELECTIVE, sequence_parallel=True, zero=1)
    began = perf_counter()
    simulate(question.workload, question.cluster, strategy, stack=question.stack)
    print(f"{'step of megatron-1t, 64 stages':<34}{perf_counter() - began:>12.2f} s")
    pricing = price(question.workload, question.cluster, stack=question.stack)
    forget()
    costs = step_cost(question.workload, strategy, pricing)
    gc.collect()
    tracemalloc.start()
    run(lower(costs))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    passes = strategy.passes(question.workload.global_batch)
    print(f"{'  lowering and running':<34}{peak / passes:>12.0f} bytes per pass (at most 500)")


def devices() -> None:
    """Seconds of a simulated step at 100,096 devices over those at 1,088, same pipeline, in turn."""
    times: dict[int, list[float]] = {136: [], 12_512: []}
    for _ in range(15):
        for nodes, found in times.items():
            strategy = Strategy(
                dp=nodes // 8, tp=8, pp=8, recompute=Recompute.SELECTIVE, sequence_parallel=True
            )
            question = load("gpt3-175b", f"dgx-a100:{nodes}", strategy.dp * 64)
            began = process_time()
            simulate(question.workload, question.cluster, strategy, stack=question.stack)
            found.append(process_time() - began)
    ratio = min(times[12_512]) / min(times[136])
    print(f"{'step at 100,096 / 1,088 devices':<34}{ratio:>12.2f}   (at most 1.1)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="screens only")
    options = parser.parse_args()
    screens(options.turns)
    if not options.quick:
        tightness()
        step()
        devices()
        plans()


if __name__ == "__main__":
    main()
