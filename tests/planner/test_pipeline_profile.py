"""Measured profiles: what the reader refuses, and cuts against brute force."""

import random
from itertools import pairwise, product

import pytest

from hardware.profiles import load_cluster
from planner.profiles.pipeline_profile import Tier, cluster_tiers, solve_profile_pipeline
from simdl.errors import SimdlError
from workloads.errors import NetworkError, WorkloadError
from workloads.importers.layer_profile import (
    LayerProfile,
    ProfiledLayer,
    build_layer_profile,
    load_layer_profile,
)
from workloads.profiles import PIPEDREAM_EDGES, PIPEDREAM_NODES

GIGABIT = 1.25e8


def load(name):
    return load_layer_profile(PIPEDREAM_NODES, PIPEDREAM_EDGES, name)


def node(name, **changes):
    row = {
        "node_id": name,
        "op": "Conv2d",
        "forward_ms": "1",
        "backward_ms": "2",
        "activation_bytes_total": "10",
        "parameter_bytes": "5",
    }
    return row | changes


def edge(source, target):
    return {"src_node": source, "dst_node": target}


def chain_profile(times, weights, activations):
    names = [f"node{index}" for index in range(len(times))]
    layers = tuple(
        ProfiledLayer(
            name=names[index],
            kind="layer",
            forward=time / 3,
            backward=2 * time / 3,
            activation=activations[index],
            parameters=weights[index],
            inputs=tuple(names[index - 1 : index]) if index else (),
        )
        for index, time in enumerate(times)
    )
    return LayerProfile(name="chain", layers=layers)


def replicated(compute, weights, tier, copies):
    """Stage of ``copies`` replicas: PipeDream's T."""
    return max(compute, 2 * (copies - 1) * weights / tier.bandwidth) / copies


def brute_force(times, weights, activations, tiers):
    """Every cut into stages and every distribution of components over them, level by level."""

    def best(first, end, level, components):
        if level < 0:
            return sum(times[first:end])
        tier = tiers[level]
        found = []
        for cuts in product((False, True), repeat=end - first - 1):
            bounds = [first, *(first + 1 + i for i, cut in enumerate(cuts) if cut), end]
            spans = list(pairwise(bounds))
            for counts in product(range(1, components + 1), repeat=len(spans)):
                if sum(counts) == components:
                    stages = [
                        replicated(inner(a, b, level), sum(weights[a:b]), tier, count)
                        for (a, b), count in zip(spans, counts, strict=True)
                    ]
                    sends = [2 * activations[b - 1] / tier.bandwidth for _, b in spans[:-1]]
                    found.append(max(*stages, *sends, 0.0))
        return min(found, default=float("inf"))

    def inner(first, end, level):
        return best(first, end, level - 1, tiers[level - 1].count if level else 1)

    return best(0, len(times), len(tiers) - 1, tiers[-1].count)


@pytest.mark.parametrize("seed", range(12))
def test_cuts_equal_brute_force(seed):
    draw = random.Random(seed)  # noqa: S311 - cases, not secrets
    layers = draw.randint(1, 5)
    times, weights, activations = ([draw.uniform(0.1, 3) for _ in range(layers)] for _ in range(3))
    tiers = (Tier(draw.randint(1, 3), draw.uniform(1, 20)), Tier(draw.randint(1, 3), draw.uniform(0.5, 5)))
    found = solve_profile_pipeline(chain_profile(times, weights, activations), tiers)
    assert found.time == pytest.approx(brute_force(times, weights, activations, tiers))
    assert found.time <= found.data_parallel * (1 + 1e-12)


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "resnet50", "gnmt"])
def test_stages_follow_one_another_and_use_all_devices(name):
    profile = load(name)
    found = solve_profile_pipeline(profile, (Tier(4, 12e9), Tier(4, 10 * GIGABIT)))
    firsts, lasts = [s.first for s in found.stages], [s.last for s in found.stages]
    assert firsts == [0, *(last + 1 for last in lasts[:-1])]
    assert lasts[-1] == len(profile.layers) - 1
    assert sum(stage.replicas[0] * stage.replicas[1] for stage in found.stages) == 16


@pytest.mark.published
def test_resnet50_on_four_machines_of_four_devices_is_cut_in_under_two_seconds():
    """PipeDream's own optimiser takes 18 s (Narayanan et al. 2019, section 5.5)."""
    found = solve_profile_pipeline(load("resnet50"), (Tier(4, 12e9), Tier(4, 10 * GIGABIT)))
    assert found.time < found.data_parallel


@pytest.mark.published
def test_vgg16_replicates_its_convolutions_and_not_its_fully_connected_layers():
    """PipeDream's plan for VGG-16 on 16 devices is 15-1 (Narayanan et al. 2019, table 1)."""
    profile = load("vgg16")
    found = solve_profile_pipeline(profile, (Tier(4, 12e9), Tier(4, 10 * GIGABIT)))
    first = found.stages[0]
    kinds = {layer.kind for layer in profile.layers[first.first : first.last + 1]}
    assert "Conv2d" in kinds
    assert first.replicas[0] * first.replicas[1] >= 12
    assert found.stages[-1].replicas == (1, 1)


def test_profiles_drop_the_input_and_keep_branches():
    profile = load("resnet50")
    assert all(not layer.kind.startswith("Input") for layer in profile.layers)
    assert len(profile.layers) == 176
    assert sum(layer.kind == "Add" and len(layer.inputs) == 2 for layer in profile.layers) == 16
    seen = set()
    for layer in profile.layers:
        assert set(layer.inputs) <= seen
        seen.add(layer.name)
    assert sum(layer.backward for layer in profile.layers) == pytest.approx(0.260931)
    assert sum(layer.parameters for layer in profile.layers) == 102_228_128


def test_tensors_that_skip_over_a_cut_cross_it():
    fork = [
        ProfiledLayer(name="a", kind="", forward=1, backward=1, activation=100, parameters=0, inputs=()),
        ProfiledLayer(name="b", kind="", forward=1, backward=1, activation=1, parameters=0, inputs=("a",)),
        ProfiledLayer(
            name="c", kind="", forward=1, backward=1, activation=1, parameters=0, inputs=("b", "a")
        ),
    ]
    found = solve_profile_pipeline(LayerProfile(name="fork", layers=tuple(fork)), (Tier(2, 20.0),))
    assert found.time == pytest.approx(3.0)  # 6 s on two replicas; a cut would send 2 x 101 bytes in 10 s


def test_tiers_of_a_cluster():
    tiers = cluster_tiers(load_cluster("dgx-1-v100:4"))
    assert [tier.count for tier in tiers] == [8, 4]
    assert tiers[0].bandwidth > tiers[1].bandwidth / 8
    with pytest.raises(SimdlError, match="tier 0"):
        solve_profile_pipeline(load("alexnet"), (Tier(0, 1.0),))


def test_every_fault_of_a_profile_is_named():
    rows = [node("node1", forward_ms="-1"), node("node2", backward_ms="fast"), node("node2")]
    with pytest.raises(NetworkError) as caught:
        build_layer_profile("bad", rows, [edge("node1", "node9")])
    text = str(caught.value)
    assert "bad: node1 Conv2d: forward_ms: found '-1'; expected a number of at least 0" in text
    assert "backward_ms: found 'fast'" in text
    assert "node2 stands twice" in text
    assert "edge node1 -> node9: no node 'node9'" in text


def test_a_cycle_is_named():
    rows = [node(f"node{index}") for index in range(1, 5)]
    edges = [edge("node1", "node2"), edge("node2", "node3"), edge("node3", "node4"), edge("node4", "node2")]
    with pytest.raises(NetworkError, match="cycle") as caught:
        build_layer_profile("ring", rows, edges)
    path = str(caught.value).split("cycle ")[1].split(";")[0].split(" -> ")
    assert path[0] == path[-1]
    assert set(path) == {"node2", "node3", "node4"}
    assert all((a, b) in {(e["src_node"], e["dst_node"]) for e in edges} for a, b in pairwise(path))


def test_files_and_models_that_do_not_exist(tmp_path):
    with pytest.raises(WorkloadError, match="did you mean resnet50"):
        load("resnet5")
    with pytest.raises(WorkloadError, match="nowhere"):
        load_layer_profile(tmp_path / "nowhere.csv", PIPEDREAM_EDGES, "resnet50")
    bad = tmp_path / "bad.csv"
    bad.write_text("model,node_id\n", encoding="utf-8")
    with pytest.raises(WorkloadError, match="no column op, forward_ms"):
        load_layer_profile(bad, PIPEDREAM_EDGES, "resnet50")
    with pytest.raises(NetworkError, match="no layers"):
        build_layer_profile("empty", [node("node1", op="Input")], [])
