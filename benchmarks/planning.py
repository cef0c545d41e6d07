"""Speed of the planner, each figure against its target (a file named planner.py would hide the package).

    python benchmarks/planning.py [--cluster dgx-a100:512]

- screen: strategies bounded per second on one core, pricing included (target 100,000; Calculon prices 283),
  on the default stack;
- plan: GPT-3 175B on 4,096 A100s over its whole space, on a stack that offers all of it
  (target 20 s on two cores; one is used);
- step: one simulated step of Megatron-1T on 3,072 A100s, 64 stages (target 1 s);
- devices: simulating 100,000 devices over 1,000 with the same pipeline (target 1).
"""

import argparse
from time import perf_counter

from planner.bounds import estimate_bounds
from planner.plan import plan
from planner.question import Options, Question, load_question
from planner.space import enumerate_space
from simdl.simulate import price, simulate
from simdl.strategy import Recompute, Strategy

STACK = "megatron-bridge-2025"  # offers every kind of parallelism, so that the space is whole
CALCULON = 283  # strategies a second on the machine of the issue


def report(name, value, unit, target, *, at_least):
    share = value / target if at_least else target / value
    sign = ">=" if at_least else "<="
    verdict = "met" if share >= 1 else "MISSED"
    print(f"{name:<42}{value:>14,.4g} {unit:<14} target {sign} {target:,g}: {share:.2f} of it, {verdict}")


def screen(question: Question) -> float:
    """Strategies per second; a second call on the same question finds its kernels priced."""
    pricing = price(question.workload, question.cluster, stack=question.stack)
    began = perf_counter()
    space = enumerate_space(question.workload, question.cluster)
    estimate_bounds(space, question.workload, pricing)
    return len(space) / (perf_counter() - began)


def step_seconds(question: Question, strategy: Strategy) -> float:
    began = perf_counter()
    simulate(question.workload, question.cluster, strategy, stack=question.stack)
    return perf_counter() - began


def devices_ratio() -> float:
    """Seconds of a simulated step at 100,096 devices over those at 1,088, same pipeline, in turn."""
    strategies = {
        nodes: Strategy(dp=nodes // 8, tp=8, pp=8, recompute=Recompute.SELECTIVE, sequence_parallel=True)
        for nodes in (136, 12_512)
    }
    times = {nodes: [] for nodes in strategies}
    for _ in range(15):
        for nodes, strategy in strategies.items():
            batch = strategy.dp * 64
            question = load_question(
                Options(model="gpt3-175b", cluster=f"dgx-a100:{nodes}", global_batch=batch)
            )
            times[nodes].append(step_seconds(question, strategy))
    return min(times[12_512]) / min(times[136])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cluster", default="dgx-a100:512")
    options = parser.parse_args()
    question = load_question(Options(model="gpt3-175b", cluster=options.cluster))
    rate = screen(question)
    report("screen, cold", rate, "strategies/s", 100_000, at_least=True)
    print(f"{'screen / Calculon':<42}{rate / CALCULON:>14,.0f}")
    report("screen, kernels priced before", screen(question), "strategies/s", 100_000, at_least=True)
    fresh = load_question(Options(model="gpt3-175b", cluster=options.cluster, stack=STACK))
    print(f"{'screen, cold, on ' + STACK:<42}{screen(fresh):>14,.4g} strategies/s")
    fresh = load_question(Options(model="gpt3-175b", cluster=options.cluster, stack=STACK))
    result = plan(fresh.workload, fresh.cluster, stack=fresh.stack)
    report(f"plan, {result.candidates:,} candidates", result.wall_time, "s", 20, at_least=False)
    print(f"{'plan: simulated, certified':<42}{result.simulated:>14,} {result.certified}")
    trillion = load_question(Options(model="megatron-1t", cluster="dgx-a100:384"))
    strategy = Strategy(dp=6, tp=8, pp=64, recompute=Recompute.SELECTIVE, sequence_parallel=True, zero=1)
    report("step of megatron-1t, 64 stages", step_seconds(trillion, strategy), "s", 1, at_least=False)
    report("step at 100,096 / 1,088 devices", devices_ratio(), "", 1.1, at_least=False)


if __name__ == "__main__":
    main()
