"""Networks and clusters to ask about: by name, from a file, or as they are."""

from dataclasses import replace

from hardware.cluster import Cluster
from hardware.profiles import load_mixed_cluster, node_names
from planner.interface.arguments import CLUSTER, FilePath, count, one_family, refuse, text
from planner.questions.question import Options, Question, build_question
from workloads.network import Network
from workloads.registry import load_network as load_registered
from workloads.registry import network_names

__all__ = ["ask", "load_cluster", "load_network", "network_names", "node_names"]


@one_family
def load_network(
    model: str | FilePath, *, seq_len: int | None = None, image_size: int | None = None
) -> Network:
    """The network of a registered name or of a file.

    Args:
        model: registered name (`simdl.network_names()`), what torchvision or timm call such a network, TOML
            file, Hugging Face ``config.json``, ONNX or ``torch.export`` file.
        seq_len: tokens of a sample; by default the published number.
        image_size: [pixels] height and width of a sample; by default the published ones.

    Returns:
        The network, with its ``parameters``, ``model_flops`` and ``layers()``.

    Raises:
        SimdlError: no such network, or a file that breaks a rule; suggests the nearest.

    Example:
        >>> import simdl
        >>> simdl.load_network("resnet50").parameters
        25557032
    """
    name = text("model", model, "a registered name such as 'llama3.1-8b', or a file")
    if name is None:
        raise refuse("model", model, "a registered name such as 'llama3.1-8b', or a file")
    return load_registered(name, tokens=count("seq_len", seq_len), image_size=count("image_size", image_size))


@one_family
def load_cluster(cluster: str | FilePath) -> Cluster:
    """The cluster of a text or of a file.

    Args:
        cluster: ``"NODE:COUNT"`` (`simdl.node_names()`), ``"NODE:Ngpus"`` for part of a node, several with
            commas between them, or a TOML file.

    Returns:
        The cluster, with its ``devices``, ``device`` and ``levels`` of links.

    Raises:
        SimdlError: no such node type, an impossible count, or a file that breaks a rule.

    Example:
        >>> import simdl
        >>> simdl.load_cluster("dgx-h100:2").devices
        16
    """
    name = text("cluster", cluster, CLUSTER)
    if name is None:
        raise refuse("cluster", cluster, CLUSTER)
    return load_mixed_cluster(name)


def ask(options: Options, model: object, cluster: object) -> Question:
    """The question of these options, with networks and clusters that were given as objects.

    Raises:
        HardwareError, WorkloadError, SimdlError: unknown names, bad files or impossible sizes.
    """
    network = model if isinstance(model, Network) else load_registered(options.model, tokens=options.seq_len)
    machine = cluster if isinstance(cluster, Cluster) else load_mixed_cluster(options.cluster)
    question = build_question(options, network, machine)
    given = [
        f"{what} {name} (given as an object; a file of this answer names it alone)"
        for what, name, thing, kind in (
            ("network", options.model, model, Network),
            ("cluster", options.cluster, cluster, Cluster),
        )
        if isinstance(thing, kind)
    ]
    return replace(question, assumptions=(*question.assumptions, *given))
