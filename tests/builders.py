"""A device, a cluster, a network and a stack small enough to work through by hand.

Equal questions give the same object, so that its blocks are priced once.
"""

from dataclasses import fields, replace
from functools import cache, lru_cache

from hardware.cluster import Cluster, Level, NodeType
from hardware.device import Device
from hardware.efficiency import FAMILIES
from hardware.host import Host
from hardware.link import Link
from hardware.profiles import load_link
from simdl.software.reader import load_stack
from simdl.software.stack import Stack
from workloads.dtypes import load_precision
from workloads.network import Network
from workloads.optimizers import load_optimizer
from workloads.workload import Workload
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder

_ACHIEVED = {
    "shares": dict.fromkeys(("bf16", "fp16", "fp32"), 0.7),
    "speeds": dict.fromkeys(("implicit_gemm", "implicit_precomp_gemm"), 0.7),
    "share": 0.7,
    "fraction": 0.7,
    "ratio": 2.0,
    "time": 3e-6,
}


def _efficiency(family):
    return family(**{field.name: _ACHIEVED[field.metadata["dimension"]] for field in fields(family)})


@cache
def build_device(memory_capacity=16e9) -> Device:
    return Device(
        name="tiny",
        description="made up for tests",
        generation="ampere",
        memory_capacity=memory_capacity,
        memory_bandwidth=1e12,
        cache=32e6,
        multiprocessors=100,
        peak_flop_rate={"fp32": 1e13, "fp16": 1e14, "bf16": 1e14},
        vector_flop_rate=1e13,
        power=0.0,
        **{name: _efficiency(family) for name, family in FAMILIES.items()},
    )


@lru_cache(maxsize=512)
def build_cluster(nodes=2, *, devices=4, memory_capacity=16e9, bandwidth=1e10) -> Cluster:
    inside = Link(name="inside", description="", bandwidth=1e11, latency=2e-6, efficiency=0.8, half_size=1e5)
    outside = Link(
        name="outside", description="", bandwidth=bandwidth, latency=5e-6, efficiency=0.8, half_size=1e5
    )
    node = NodeType(
        name="tiny",
        description="made up for tests",
        device=build_device(memory_capacity),
        host=Host(
            name="tiny",
            link=load_link("pcie4-x16"),
            devices_per_link=1,
            memory=64e9,
            bandwidth=2e11,
            update_rate=1e11,
        ),
        levels=(
            Level(name="node", link=inside, ports=1, size=devices, topology="switch"),
            Level(name="network", link=outside, ports=1, size=0, topology="switch"),
        ),
    )
    return Cluster(node=node, count=nodes)


@cache
def build_network(layers=4, *, hidden=256, vocab=1000, tokens=128, heads=8, kv_heads=0, **changes) -> Network:
    choices = {
        "name": "tiny",
        "source": "test",
        "layers": layers,
        "hidden": hidden,
        "heads": heads,
        "kv_heads": kv_heads or heads,
        "head_size": hidden // heads,
        "ffn": 4 * hidden,
        "vocab": vocab,
        "tokens": tokens,
        "gated": False,
        "activation": "gelu",
        "normalization": "layernorm",
        "positions": "learned",
        "max_positions": tokens,
        "bias": True,
        "qkv_bias": True,
        "tied": True,
        "dropout": True,
    }
    return build_decoder(DecoderConfig(**(choices | changes)))


def build_workload(network=None, *, global_batch=16, precision="bf16") -> Workload:
    return Workload(
        network=network or build_network(),
        optimizer=load_optimizer("adam"),
        precision=load_precision(precision),
        global_batch=global_batch,
    )


@lru_cache(maxsize=512)
def build_stack(**changes) -> Stack:
    return replace(load_stack("megatron-2021"), **({"schedules": (), "main_gradient": "none"} | changes))
