"""Processor time of proofs: the programmes of memory savers of two deep networks over limits of memory.

Limits are shares of the way from the least memory of the programme to what everything kept takes.

    python benchmarks/memory_savers.py [--shares 0.05 0.14 0.18 0.3 0.6]
"""

import argparse
from time import process_time

from planner.memory_savers.options import RankProblem, plain_of, rank_problems
from planner.memory_savers.pool import possible_kinds
from planner.memory_savers.solve import solve_rank
from planner.questions.question import Options, load_question
from simdl.step.simulate import price
from simdl.step.strategy import Strategy

ASKED = (
    (Options(model="resnet152", cluster="dgx-1-v100:1", global_batch=256), Strategy(dp=8, micro_batch=32)),
    (Options(model="resnet152", cluster="dgx-1-v100:1", global_batch=512), Strategy(dp=8, micro_batch=64)),
    (Options(model="gpt3-175b", cluster="dgx-a100:16", global_batch=64), Strategy(dp=16, tp=8)),
)


def whole(problem: RankProblem) -> float:
    """[bytes] of a rank that keeps everything."""
    live = max(
        sum(run.count * run.options[0].saved * moment[run.stage] for run in problem.runs)
        for moment in problem.moments
    )
    brief = max(run.options[0].transient for run in problem.runs)
    return problem.fixed + live + brief


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shares", type=float, nargs="+", default=[0.05, 0.14, 0.18, 0.3, 0.6])
    shares = parser.parse_args().shares
    for options, strategy in ASKED:
        question = load_question(options)
        pricing = price(question.workload, question.cluster, stack=question.stack)
        plain = plain_of(strategy, question.workload, pricing)
        kinds = possible_kinds(plain, question.workload, pricing)
        (problem,) = rank_problems(plain, question.workload, pricing, kinds)
        least = solve_rank(problem, 0.0, least_memory=True).nbytes
        for share in shares:
            began = process_time()
            choice = solve_rank(problem, least + share * (whole(problem) - least))
            seconds = process_time() - began
            proven = "proven" if choice.optimal else "not proven"
            print(f"{options.model} on {options.cluster}, {share:.0%}: {seconds:.2f} s, {proven}")


if __name__ == "__main__":
    main()
