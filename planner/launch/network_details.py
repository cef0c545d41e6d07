"""What sets a network apart from a plain transformer, in words, for files that name no architecture."""

from collections.abc import Iterator, Sequence

from planner.launch.job import Job, Lost
from workloads.layer import Layer
from workloads.network import SEQUENTIAL, Network


def lost_network(job: Job) -> Iterator[Lost]:
    """That a file leaves the network to a recipe or a program, where it is no plain transformer."""
    found = list(network_details(job.question.workload.network))
    if found:
        yield Lost(
            "model",
            f"found {', '.join(found)}; the file says nothing of the network: what your recipe or program "
            "builds must have them",
        )


def network_details(network: Network) -> Iterator[str]:
    """What no plain transformer has: of attention, positions, experts and the layers in attention's place."""
    layers = [layer for block in network.blocks for layer in block.layers]
    yield from _attention_details([layer for layer in layers if layer.core is not None])
    yield from _position_details(network, layers)
    if any(layer.name == "kv_down" for layer in layers):
        yield "latent attention"
    for layer in layers:
        if layer.attributes.get("clamp"):
            yield f"an activation function clamped to {layer.attributes['clamp']:g}"
            break
    if any(layer.kind != "attention" and layer.attributes.get("cap") for layer in layers):
        yield "capped logits"
    if kinds := dict.fromkeys(layer.kind.replace("_", " ") for layer in layers if layer.kind in SEQUENTIAL):
        yield f"layers of {' and '.join(kinds)}"


def _attention_details(attending: Sequence[Layer]) -> Iterator[str]:
    if any(layer.attributes.get("sinks") for layer in attending):
        yield "attention sinks"
    if caps := dict.fromkeys(layer.attributes["cap"] for layer in attending if layer.attributes.get("cap")):
        yield f"scores capped at {' and '.join(f'{cap:g}' for cap in caps)}"
    cores = [layer.core for layer in attending if layer.core is not None and layer.core.window]
    if windows := dict.fromkeys(core.window for core in cores):
        kind = "chunks" if any(core.chunked for core in cores) else "windows"
        yield f"{kind} of {' and '.join(f'{window:,}' for window in windows)} tokens"


def _position_details(network: Network, layers: Sequence[Layer]) -> Iterator[str]:
    if any(layer.attributes.get("alibi") for layer in layers):
        yield "positions by linear biases (ALiBi)"
    rotary = next((layer for layer in layers if layer.name == "rotary"), None)
    if rotary is None:
        return
    core = next((layer.core for layer in layers if layer.core is not None), None)
    turned = int(str(rotary.attributes.get("features", 0)))
    if core is not None and turned and turned < core.head_size and not rotary.attributes.get("latent"):
        yield f"rotary positions of {turned} of {core.head_size} features"
    if scaling := rotary.attributes.get("scaling"):
        yield f"rotary positions scaled by {scaling}"
    names = [{layer.name for layer in block.layers} for block in network.blocks]
    if any("attention" in block and "rotary" not in block for block in names):
        yield "layers without rotary positions"
