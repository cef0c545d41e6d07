"""Speed of simulated networks against a bare SimPy loop of the same program in the same run.

Three cases. `layers`: 96 layers of 1 ms forward and 2 ms backward, each followed by a 48 MiB all-reduce,
folded to one class of equal ranks, over 512 devices (64 nodes of 8) and over 32,768. `contention`: 16,384
devices one by one, in nodes of 8 that share two ports to the network: passes with gradient buckets and
parameter gathers beside them, all of which share the ports. `steps`: a ring all-reduce over 64 devices, every
message an event.

    python benchmarks/network.py [--devices 16384] [--buckets 4]
"""

import argparse
from time import process_time

from engine import bare_loop

from hardware.profiles import load_cluster
from simdl.communication import Group, Operation, collective_time
from simdl.communication.ports import collective_loads
from simdl.communication.stepwise.program import collective_program
from simdl.communication.stepwise.rings import all_reduce
from simdl.engine.run import run
from simdl.program.action import Cause, Load, Purpose, Transfer, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel, Lane, Program, RankClass, Stream
from simdl.topology.cluster_graph import cluster_graph

MIB = 2**20
LAYERS = 96
NODE = 8


def layers(cluster_name: str) -> Program:
    """Forward and backward passes whose gradients are added up layer by layer over a whole cluster."""
    cluster = load_cluster(cluster_name)
    group = Group(size=cluster.devices)
    seconds = collective_time(Operation.ALL_REDUCE, 48 * MIB, group, cluster).time
    builder = ProgramBuilder(
        [RankClass(stage=0, count=cluster.devices)], [Stream(0, Lane.COMPUTE), Stream(0, Lane.COLLECTIVE)]
    )
    loads = collective_loads(
        Operation.ALL_REDUCE, 48 * MIB, group, cluster, library="nccl", seconds=seconds, width=cluster.devices
    )
    channels = [
        Load(builder.channel(Channel(name=f"{each.port}", bandwidth=each.port.bandwidth)), each.share)
        for each in loads
    ]
    summed = builder.action(
        _transfer(Purpose.REDUCE_GRADIENTS, seconds, tuple(channels), ranks=cluster.devices)
    )
    forward = builder.action(Work(purpose=Purpose.FORWARD, parts=((Cause.FORWARD, 1e-3),)))
    backward = builder.action(Work(purpose=Purpose.BACKWARD, parts=((Cause.BACKWARD, 2e-3),)))
    for _ in range(LAYERS):
        builder.add(forward, 0)
    for _ in range(LAYERS):
        builder.add(summed, 1, (builder.add(backward, 0),))
    return builder.program()


def contention(devices: int, buckets: int) -> Program:
    """Every device a class of its own; what its node sends shares two ports."""
    lanes = (Lane.COMPUTE, Lane.COLLECTIVE, Lane.SEND_FORWARD)
    builder = ProgramBuilder(
        [RankClass(stage=0, first=rank) for rank in range(devices)],
        [Stream(rank, lane) for rank in range(devices) for lane in lanes],
    )
    work = builder.action(Work(purpose=Purpose.BACKWARD, parts=((Cause.BACKWARD, 2e-3),)))
    for rank in range(devices):
        name = f"ports of ranks {rank // NODE * NODE} to {rank // NODE * NODE + NODE - 1}"
        load = (Load(builder.channel(Channel(name=name, bandwidth=5e10)), 0.25),)
        reduced, gathered = (
            builder.action(_transfer(purpose, seconds, load))
            for purpose, seconds in ((Purpose.REDUCE_GRADIENTS, 1e-3), (Purpose.GATHER_PARAMETERS, 5e-4))
        )
        for _ in range(buckets):
            task = builder.add(work, len(lanes) * rank)
            builder.add(reduced, len(lanes) * rank + 1, (task,))
            builder.add(gathered, len(lanes) * rank + 2, (task,))
    return builder.program()


def _transfer(purpose: Purpose, seconds: float, loads: tuple[Load, ...], ranks: int = NODE) -> Transfer:
    return Transfer(
        purpose=purpose,
        cause=Cause.DATA,
        operation=Operation.ALL_REDUCE,
        ranks=ranks,
        nbytes=48 * MIB,
        duration=seconds,
        loads=loads,
        footprint=0.05,
    )


def compare(name: str, program: Program, most: float | None = None) -> None:
    """Print the processor seconds of the engine and its tasks a second beside those of the bare loop."""
    began = process_time()
    step = run(program).step_time
    taken = process_time() - began
    began = process_time()
    alone = bare_loop(program)
    bare = process_time() - began
    limit = "" if most is None else f"   (at most {most:g} s)"
    print(f"{name}: {len(program):,} tasks, {taken:.3f} s{limit}")
    print(f"  step {step:.6f} s, without sharing {alone:.6f} s")
    print(f"  engine {len(program) / taken:,.0f} tasks/s, bare SimPy loop {len(program) / bare:,.0f} tasks/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=16384)
    parser.add_argument("--buckets", type=int, default=4)
    options = parser.parse_args()
    for cluster, devices in (("dgx-h100:64", "512"), ("dgx-h100:4096", "32,768")):
        began = process_time()
        program = layers(cluster)
        print(f"layers, {devices} devices: built in {process_time() - began:.3f} s")
        compare(f"layers, {devices} devices", program, 1.0)
    compare(f"contention, {options.devices:,} devices", contention(options.devices, options.buckets), 10.0)
    graph = cluster_graph(load_cluster("dgx-h100:8"))
    compare("steps, ring over 64 devices", collective_program(all_reduce(64, 48.0 * MIB), graph))


if __name__ == "__main__":
    main()
