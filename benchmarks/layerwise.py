"""Speed of per-layer plans and profile cuts, each figure against its target.

    python benchmarks/layerwise.py [--cluster dgx-1-v100:8]

- plan: the best split of every layer on 64 devices, 64 images each (target 10 s on two cores; one is used);
- strong: the same with half an image a device, where most splits compete;
- cut: ResNet-50's profile on 4 machines of 4 devices (target 2 s; PipeDream's optimiser takes 18 s).
"""

import argparse
from time import perf_counter

from planner.per_layer.search import plan_layers
from planner.profiles.pipeline_profile import Tier, solve_profile_pipeline
from planner.questions.question import Options, load_question
from simdl.step.simulate import price
from workloads.importers.layer_profile import load_layer_profile
from workloads.profiles import PIPEDREAM_EDGES, PIPEDREAM_NODES

MODELS = ("alexnet", "vgg16", "googlenet", "resnet50", "resnet152")


def report(name, seconds, target, more=""):
    verdict = "met" if seconds <= target else "MISSED"
    print(f"{name:<28}{seconds:>9.3f} s   target <= {target:g} s: {verdict}{more}")


def plan_seconds(model, cluster, global_batch=None):
    question = load_question(Options(model=model, cluster=cluster, global_batch=global_batch))
    pricing = price(question.workload, question.cluster, stack=question.stack)
    began = perf_counter()
    found = plan_layers(question.workload, pricing)
    seconds = perf_counter() - began
    more = f"; {found.variables} variables, proven {found.optimal}, step {found.best.step_time * 1e3:.2f} ms"
    return seconds, more


def cut_seconds():
    profile = load_layer_profile(PIPEDREAM_NODES, PIPEDREAM_EDGES, "resnet50")
    began = perf_counter()
    solve_profile_pipeline(profile, (Tier(4, 12e9), Tier(4, 1.25e9)))
    return perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cluster", default="dgx-1-v100:8")
    cluster = parser.parse_args().cluster
    for model in MODELS:
        seconds, more = plan_seconds(model, cluster)
        report(f"plan {model}", seconds, 10, more)
    for model in MODELS:
        seconds, more = plan_seconds(model, cluster, 32)
        report(f"strong {model}", seconds, 10, more)
    report("cut resnet50", cut_seconds(), 2)


if __name__ == "__main__":
    main()
