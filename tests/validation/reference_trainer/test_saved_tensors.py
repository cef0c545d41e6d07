"""What autograd saves, against what the ledger says a network keeps: equal to the byte.

``torch.autograd.graph.saved_tensors_hooks`` sees every tensor that a node of the graph keeps for its backward
function; derivatives.yaml of PyTorch says which. Storages count once. On torch's ``meta`` device nothing is
computed, so whole networks take no time. Left out of the ledger, and counted here by closed forms: two FP32
numbers a row of a layer norm and a channel of a batch norm; scalars; indices; masks that every layer shares.
"""

from math import prod

import pytest

torch = pytest.importorskip("torch")

from builders import build_cluster, build_workload  # noqa: E402
from cases import small_decoder  # noqa: E402

from simdl.kernels.sharding import Shard  # noqa: E402
from simdl.memory.activations import saved_bytes  # noqa: E402
from simdl.software.reader import load_stack  # noqa: E402
from simdl.step.simulate import price  # noqa: E402
from validation.reference_trainer.data import synthetic_batch  # noqa: E402
from validation.reference_trainer.network_module import StageModule  # noqa: E402
from workloads.layers.activation import relu, sigmoid  # noqa: E402
from workloads.layers.classifier import softmax  # noqa: E402
from workloads.layers.drafts.draft import Draft, build_image_network  # noqa: E402
from workloads.layers.elementwise import addition  # noqa: E402
from workloads.layers.images.compound import conv_norm_relu, conv_relu  # noqa: E402
from workloads.layers.images.pooling import average_pool, global_pool, max_pool  # noqa: E402
from workloads.layers.linear import linear  # noqa: E402
from workloads.registry import load_network  # noqa: E402
from workloads.zoo.language.decoder.config import DecoderConfig  # noqa: E402
from workloads.zoo.language.decoder.stack import build_decoder  # noqa: E402

SAMPLES = 3
STATISTICS = 8  # [bytes] of mean and deviation
MAPS = 3  # axes that other indices (tokens, places) have at most


def pooled():
    """Pools before and after layers that keep what they make or read, and at the ends of blocks."""
    draft = Draft((3, 16, 16))
    conv_norm_relu(draft, "conv1", out_channels=8, kernel=3, padding=1)
    source = draft.add(max_pool, "pool1", kernel=3, stride=2, padding=1)
    conv_relu(draft, "conv2", source, out_channels=8, kernel=3, padding=1)
    draft.add(average_pool, "mean1", kernel=3, stride=1, padding=1)  # of what ReLU keeps
    draft.add(addition, "add", source, "mean1")
    draft.add(average_pool, "mean2", kernel=2)  # of what nobody else keeps
    draft.add(sigmoid, "sigmoid")
    draft.add(max_pool, "pool2", kernel=2)
    draft.add(max_pool, "pool3", kernel=2, stride=1)
    draft.add(relu, "relu")
    draft.add(global_pool, "whole")
    draft.add(linear, "fc", out_features=10)
    draft.add(softmax, "loss")
    return build_image_network("pooled", draft.blocks(), source="test")


def gated(function):
    return build_decoder(
        DecoderConfig(
            name="gated",
            source="test",
            layers=2,
            hidden=16,
            heads=4,
            kv_heads=2,
            head_size=4,
            ffn=24,
            vocab=30,
            tokens=8,
            gated=True,
            activation=function,
            normalization="layernorm",
            positions="learned",
            max_positions=8,
            bias=False,
            qkv_bias=False,
            tied=False,
            dropout=False,
        )
    )


def saved_by_torch(network):
    """[bytes] of numbers and maxima in unique storages that are neither parameters nor scalars."""
    with torch.device("meta"):
        stage = StageModule(network, attention="unfused")
    batch = synthetic_batch(network, SAMPLES, seed=1).to("meta")
    state = [*stage.parameters(), *stage.buffers(), *stage.tables.values()]
    own = {tensor.untyped_storage()._cdata for tensor in state}
    found = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in own and tensor.ndim:
            found[storage._cdata] = (
                storage,
                tensor.dtype,
                tensor.ndim,
            )  # held, so that no address comes back
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        stage(batch.inputs, batch.targets)
    maxima = sum(held.nbytes() for held, kind, axes in found.values() if kind is torch.int64 and axes > MAPS)
    assert maxima == 8 * SAMPLES * pooled_elements(network)
    floats = sum(held.nbytes() for held, kind, _ in found.values() if kind is torch.float32)
    return floats + maxima


def pooled_elements(network):
    return sum(
        layer.output_elements
        for _, block in network.named_chain()
        for layer in block.layers
        if layer.attributes.get("operation") == "maximum"
    )


def statistics(network):
    rows = 0
    for _, block in network.named_chain():
        for layer in block.layers:
            over = layer.attributes.get("over")
            if over == "batch":
                rows += layer.output_shape[0]
            elif over == "layernorm":
                rows += SAMPLES * prod(layer.output_shape[:-1])
    return rows * STATISTICS


@pytest.mark.theory
@pytest.mark.parametrize(
    "network",
    [
        pytest.param(pooled, id="pools"),
        pytest.param(small_decoder, id="decoder"),
        pytest.param(lambda: gated("silu"), id="swiglu"),
        pytest.param(lambda: gated("gelu"), id="geglu"),
        *(
            pytest.param(lambda name=name: load_network(name), id=name)
            for name in ("lenet5", "vgg11", "resnet18")
        ),
    ],
)
def test_the_ledger_keeps_what_autograd_saves(network):
    network = network()
    workload = build_workload(network, precision="fp32")
    pricing = price(workload, build_cluster(1, devices=1), stack=load_stack("pytorch-cpu-unfused"))
    kept = sum(
        saved_bytes(block, pricing, Shard(micro_batch=SAMPLES)) * block.count for block in network.blocks
    )
    assert saved_by_torch(network) == kept + statistics(network)
