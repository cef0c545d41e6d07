"""The answer of `simdl pipeline`: a profile named ``FILE_nodes.csv:NAME``, cut for a cluster."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hardware.cluster import Cluster
from planner.console.format import format_seconds
from planner.profiles.pipeline_profile import ProfileStage, cluster_tiers, solve_profile_pipeline
from workloads.errors import WorkloadError
from workloads.importers.layer_profile import LayerProfile, load_layer_profile
from workloads.profiles import PIPEDREAM_EDGES, PIPEDREAM_NODES

SAME = 1.0005  # from which a pipeline is said to be faster
SUFFIX = "_nodes.csv"


def load_named_profile(model: str) -> LayerProfile:
    """The profile that ``FILE_nodes.csv:NAME`` names, or ``NAME`` alone among those of PipeDream.

    Raises:
        WorkloadError: another form, or a file or network that does not exist.
        NetworkError: the tables break a rule; one line per fault.
    """
    path, colon, name = model.rpartition(":")
    if not colon and not name.endswith(".csv"):
        return load_layer_profile(PIPEDREAM_NODES, PIPEDREAM_EDGES, name)
    if not colon or not path.endswith(SUFFIX):
        raise WorkloadError(f"profile {model!r}: expected FILE{SUFFIX}:NAME, with FILE_edges.csv beside it")
    edges = path.removesuffix(SUFFIX) + "_edges.csv"
    return load_layer_profile(Path(path), Path(edges), name)


def profile_plan_json(profile: LayerProfile, cluster: Cluster) -> dict[str, Any]:
    """The best pipeline of a profile on a cluster by key, in base units."""
    found = solve_profile_pipeline(profile, cluster_tiers(cluster))
    data: dict[str, Any] = {
        "model": profile.name,
        "cluster": cluster.name,
        "devices": cluster.devices,
        "step_time": found.time,
        "data_parallel": found.data_parallel,
        "stages": [_stage_json(profile, stage) for stage in found.stages],
    }
    return {**data, "headline": _sentence(data)}


def _sentence(data: Mapping[str, Any]) -> str:
    """How many stages on how many devices, how long a minibatch takes, what limits it, and how sure it is."""
    stages, step = data["stages"], data["step_time"]
    busy = [stage["compute_time"] / stage["devices"] for stage in stages]
    slowest = max(range(len(busy)), key=busy.__getitem__)
    limit = f"stage {slowest}" if busy[slowest] >= step * (1 - 1e-9) else "what stages and replicas exchange"
    used = sum(stage["devices"] for stage in stages)
    cut = f"{len(stages)} stage{'s' * (len(stages) > 1)} on {used} of the {data['devices']} devices"
    faster = data["data_parallel"] / step
    times = "as fast" if faster < SAME else f"{faster:.3g} times as fast"
    return (
        f"Run {data['model']} in {cut} of {data['cluster']}: a minibatch is done every "
        f"{format_seconds(step)}, {times} as with data parallelism, and is limited by {limit}; times of "
        "layers are those of the profile."
    )


def _stage_json(profile: LayerProfile, stage: ProfileStage) -> dict[str, Any]:
    layers = profile.layers[stage.first : stage.last + 1]
    return {
        "layers": [layer.name for layer in layers],
        "devices": stage.devices,
        "replicas": list(stage.replicas),
        "compute_time": sum(layer.forward + layer.backward for layer in layers),
        "parameter_bytes": sum(layer.parameters for layer in layers),
    }


def profile_plan_rows(answer: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Rows of the table: layers, devices and seconds of each stage."""
    for number, stage in enumerate(answer["stages"]):
        layers = stage["layers"]
        yield (
            str(number),
            layers[0] if len(layers) == 1 else f"{layers[0]} to {layers[-1]}",
            str(stage["devices"]),
            format_seconds(stage["compute_time"]),
            format_seconds(stage["compute_time"] / stage["devices"]),
        )
