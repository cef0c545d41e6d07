"""What happens: workload, cluster and strategy to schedule, timeline and report.

It is also the one name that a Python user needs: `simdl.plan`, `simdl.simulate` and the other names of
``__all__`` are looked up where they stand when they are first used, so that `import simdl` costs nothing.
That look-up is the one exception to imports that flow one way (`tests/test_imports.py`). docs/python.md
shows them at work.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.errors import InfeasibleError
    from planner.interface.arguments import QuestionError
    from planner.interface.collectives import Collectives, collectives
    from planner.interface.consistency import Training, consistency
    from planner.interface.diff import Comparison, diff
    from planner.interface.explanation import Explanation, explain
    from planner.interface.goodput import Kept, goodput
    from planner.interface.inference import Inference, infer
    from planner.interface.launch_files import LaunchFiles
    from planner.interface.loading import load_cluster, load_network, network_names, node_names
    from planner.interface.memory import MemoryPlans, memory_front
    from planner.interface.plan import Plans, plan
    from planner.interface.result import Result
    from planner.interface.scaling import Scaling, scale
    from planner.interface.search import Packed, search
    from planner.interface.simulate import DoesNotFitError, simulate
    from planner.interface.step import Step
    from planner.interface.sweep import Sweep, sweep
    from planner.interface.transform import transform
    from simdl.errors import SimdlError, StrategyError
    from simdl.step.strategy import Recompute, Strategy

__version__ = "0.1.0"

__all__ = [
    "Collectives",
    "Comparison",
    "DoesNotFitError",
    "Explanation",
    "InfeasibleError",
    "Inference",
    "Kept",
    "LaunchFiles",
    "MemoryPlans",
    "Packed",
    "Plans",
    "QuestionError",
    "Recompute",
    "Result",
    "Scaling",
    "SimdlError",
    "Step",
    "Strategy",
    "StrategyError",
    "Sweep",
    "Training",
    "__version__",
    "collectives",
    "consistency",
    "diff",
    "explain",
    "goodput",
    "infer",
    "load_cluster",
    "load_network",
    "memory_front",
    "network_names",
    "node_names",
    "plan",
    "scale",
    "search",
    "simulate",
    "sweep",
    "transform",
]

_HOMES = {
    "planner.errors": ("InfeasibleError",),
    "planner.interface.arguments": ("QuestionError",),
    "planner.interface.collectives": ("Collectives", "collectives"),
    "planner.interface.consistency": ("Training", "consistency"),
    "planner.interface.diff": ("Comparison", "diff"),
    "planner.interface.explanation": ("Explanation", "explain"),
    "planner.interface.goodput": ("Kept", "goodput"),
    "planner.interface.inference": ("Inference", "infer"),
    "planner.interface.launch_files": ("LaunchFiles",),
    "planner.interface.loading": ("load_cluster", "load_network", "network_names", "node_names"),
    "planner.interface.memory": ("MemoryPlans", "memory_front"),
    "planner.interface.plan": ("Plans", "plan"),
    "planner.interface.result": ("Result",),
    "planner.interface.scaling": ("Scaling", "scale"),
    "planner.interface.simulate": ("DoesNotFitError", "simulate"),
    "planner.interface.step": ("Step",),
    "planner.interface.search": ("Packed", "search"),
    "planner.interface.sweep": ("Sweep", "sweep"),
    "planner.interface.transform": ("transform",),
    "simdl.errors": ("SimdlError", "StrategyError"),
    "simdl.step.strategy": ("Recompute", "Strategy"),
}
"""Names by the module where they stand; `TYPE_CHECKING` above says the same to type checkers."""


if not TYPE_CHECKING:  # so that a type checker knows the names above and no others

    def __getattr__(name: str) -> object:
        for module, names in _HOMES.items():
            if name in names:
                found: object = getattr(import_module(module), name)
                globals()[name] = found
                return found
        raise AttributeError(f"module 'simdl' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
