"""Seconds of a step that residuals of its software make up: what nothing that is counted explains.

A stack's speeds of convolutions, of kernels that stream and of reductions stretch what the device and its
links would take, and its overheads of a step, a variable and a microbatch stand beside it
(``docs/stacks.md``). The cost of a launch is no residual: it is a property of how a program calls.
"""

from collections.abc import Mapping
from typing import Any

from simdl.software.stack import Stack

LEAST = 0.005
"""Share of a step that is worth a word."""
CONVOLUTION = "convolution"
PRODUCTS = frozenset({"matmul", "attention", CONVOLUTION})


def residual_seconds(
    breakdown: Mapping[str, float], kernels: Mapping[str, float], stack: Stack
) -> dict[str, float]:
    """[s] of a step by residual, less than zero where it makes the step shorter; none that do nothing.

    Args:
        breakdown: [s] by cause.
        kernels: [s] of the passes by kind of kernel.
        stack: the software.
    """
    streaming = sum(seconds for kind, seconds in kernels.items() if kind not in PRODUCTS)
    found = {
        "convolution_speed": kernels.get(CONVOLUTION, 0.0) * (1 - stack.convolution_speed),
        "streaming_speed": streaming * (1 - stack.streaming_speed),
        "reduction_speed": breakdown.get("data_communication", 0.0) * (1 - stack.reduction_speed),
        "overhead": breakdown.get("overhead", 0.0),
    }
    return {name: seconds for name, seconds in found.items() if seconds}


def residual_text(provenance: Mapping[str, Any], step_time: float) -> str:
    """What residuals make up of a step, in words.

    Args:
        provenance: of a report.
        step_time: [s].
    """
    shares = {name: seconds / step_time for name, seconds in provenance.get("residuals", {}).items()}
    told = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if abs(share) >= LEAST)
    return f"residuals {sum(shares.values()):.0%} of the step" + (f" ({told})" if told else "")
