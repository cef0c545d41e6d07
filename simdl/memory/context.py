"""What a process holds beside its tensors: the context of its device, and buffers of communicators.

A collective library keeps receive buffers for every connection of every channel of a communicator, one for
each protocol (NVIDIA/nccl, src/init.cc and src/transport/p2p.cc: ``buffSizes``; with its defaults 0.5, 4.7
and 4 MiB). A ring has one connection that receives and a double tree two in a chain within a node. How many
channels a communicator has follows from its links, from two of a card to two dozen within a node of switches;
it is taken as the same on all, so that a better link never leaves a step less memory. One device alone has
none.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import resources

from hardware.device import Device
from hardware.profile_reader import ProfileReader
from simdl.communication import Group
from simdl.communication.library import load_library
from simdl.kernels.pricing import Pricing
from simdl.software.stack import Stack
from simdl.step.costs.gradients import gradient_bytes
from simdl.step.strategy import Strategy
from workloads.exchange import Tables
from workloads.layer import Layer

CONNECTIONS = 3
"""Receiving ends of a channel: one of a ring, two of a double tree."""


def context_bytes(strategy: Strategy, pricing: Pricing) -> float:
    """[bytes] of one rank that are no tensors: contexts and what the software keeps, and communicators."""
    held = len(tuple(communicators(strategy))) * communicator_bytes(pricing.stack.library)
    return process_bytes(pricing.stack, pricing.cluster.device) + held


def process_bytes(stack: Stack, device: Device) -> float:
    """[bytes] that a process holds before its first large tensor: context, and what its software keeps.

    Processors, TPUs, phones and wafers have no context that is counted apart from their software.
    """
    return stack.memory_context + device_contexts().get(device.generation, 0.0)


@lru_cache(maxsize=1)
def device_contexts() -> Mapping[str, float]:
    """[bytes] of the context of a process by generation of the device."""
    place = "memory/contexts.toml"
    reader = ProfileReader(resources.files("simdl").joinpath(place).read_text("utf-8"), place)
    found = {name: reader.number(f"context.{name}", "bytes") for name in reader.keys("context")}
    reader.finish()
    return found


def copied_gradient(strategy: Strategy, pricing: Pricing) -> float:
    """[bytes] of the largest gradient beside the buckets that hold all of them.

    DistributedDataParallel keeps its buckets from step to step; a gradient that automatic differentiation has
    made is copied to its place in one of them and let go (torch/csrc/distributed/c10d/reducer.cpp,
    ``mark_variable_ready_dense``).
    """
    whole = strategy.zero == 0 and strategy.tp * strategy.pp * strategy.split_degree == 1
    if not (pricing.stack.bucket_copies and whole and strategy.replicas > 1):
        return 0.0
    layers = (layer for block in pricing.network.blocks for layer in block.layers if not layer.tied)
    return gradient_bytes(max((largest_parameter(layer) for layer in layers), default=0), pricing)


def largest_parameter(layer: Layer) -> int:
    """Elements of the largest parameter of a layer: its weights, or all it has where nothing multiplies."""
    if isinstance(layer.exchange, Tables):
        return 0
    return min(layer.parameters, layer.product_weights or layer.parameters)


def communicators(strategy: Strategy) -> Iterator[Group]:
    """The groups in which a rank takes part; sharded and replicated parts of hybrid sharding are two.

    Keys and values of context parallelism go from one rank to the next, whose few buffers are not counted.
    """
    shards = strategy.shards if strategy.zero else strategy.replicas
    groups = (
        Group(size=strategy.tp, stride=1),
        Group(size=shards, stride=strategy.tp),
        Group(size=strategy.replicas // shards, stride=strategy.tp * shards),
        Group(size=strategy.ep, stride=strategy.expert_tensor),
        Group(size=strategy.pp, stride=strategy.tp * strategy.replicas),
    )
    yield from (group for group in groups if group.size > 1)


@lru_cache(maxsize=64)
def communicator_bytes(library: str) -> float:
    """[bytes] of the buffers of one communicator on each of its ranks."""
    profile = load_library(library)
    return profile.channels * CONNECTIONS * sum(protocol.buffer for protocol in profile.protocols)
