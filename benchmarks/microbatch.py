"""Speed of micro-batching, each solve against its target of 2 s.

    python benchmarks/microbatch.py [--device v100-sxm2-16gb] [--network resnet50] [--batch 256]

All convolutions of the network, forward and backward, by policy, mode and limit: seconds to price every
launch, then from priced launches to a proven choice (the undivided comparison included), choices before and
after dominated ones were removed, and what micro-batching gains.
"""

import argparse
from time import perf_counter

from hardware.profiles import load_device
from hardware.units import format_quantity
from planner.microbatch.configuration import Policy, micro_batch_sizes
from planner.microbatch.convolutions import network_convolutions
from planner.microbatch.costs import price_passes
from planner.microbatch.plan import Mode, plan_micro_batches
from workloads.dtypes import load_precision
from workloads.registry import load_network

TARGET = 2.0  # seconds, of the issue
LIMITS = {Mode.REUSE: (2**23, 2**26, 2**29), Mode.DIVISION: (2**26, 2**28, 2**30, 2**32)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="v100-sxm2-16gb")
    parser.add_argument("--network", default="resnet50")
    parser.add_argument("--batch", type=int, default=256)
    options = parser.parse_args()
    passes = network_convolutions(load_network(options.network))
    device, precision = load_device(options.device), load_precision("fp32")
    print(
        f"{options.network} on {device.name}, batch {options.batch}: {len(passes)} passes, target {TARGET} s"
    )
    for policy in Policy:
        began = perf_counter()
        priced = price_passes(passes, micro_batch_sizes(policy, options.batch), device, precision)
        print(f"{policy.value}: priced in {perf_counter() - began:.2f} s")
        for mode, limits in LIMITS.items():
            for limit in limits:
                report(
                    plan_micro_batches(priced, batch=options.batch, workspace=limit, mode=mode), mode, limit
                )


def report(found, mode, limit):
    gain = "-" if found.undivided_time is None else f"{found.undivided_time / found.time:.3f}"
    verdict = "met" if found.optimal and found.gap == 0 and found.solve_time < TARGET else "MISSED"
    print(
        f"  {mode.value:<9}{format_quantity(limit, 'bytes'):>10}{found.solve_time:>8.2f} s  {verdict}, gap "
        f"{found.gap:g}, {found.considered:,} of {found.priced:,}, {gain} times as fast as undivided"
    )


if __name__ == "__main__":
    main()
