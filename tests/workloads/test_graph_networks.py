"""Graph networks: published parameters, traffic of edges by formula, halos, and files of one's own."""

from math import exp

import pytest
from bounded import bounded_report
from builders import build_cluster, build_stack
from click.testing import CliRunner

from planner.cli import main
from simdl.communication import Group, Operation, collective_seconds
from simdl.errors import StrategyError
from simdl.kernels.sharding import Shard, block_kernels
from simdl.software.reader import load_stack
from simdl.step.costs.step_cost import chain_costs
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.errors import NetworkError
from workloads.exchange import Halo
from workloads.graph import Graph, neighbourhoods
from workloads.operators import Pass
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload
from workloads.zoo.graph_networks import GRAPHS, GraphConfig, build_graph_network

SMALL = Graph(name="small", source="test", nodes=1000, edges=20_000, features=64, classes=4, parts=4, cut=0.3)
CONFIG = GraphConfig(name="small", model="gcn", layers=2, hidden=32, dropout=0.0, loops=False)


def workload(network, batch=1, precision="fp32"):
    return Workload(
        network=network,
        optimizer=load_optimizer("adam"),
        precision=load_precision(precision),
        global_batch=batch,
    )


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gcn-cora", 23_063),  # 1,433 x 16 + 16 + 16 x 7 + 7, as Kipf and Welling's code
        ("gat-cora", 92_373),  # 8 heads of 8, then one of 7, as Velickovic's code
        # leaderboards of the Open Graph Benchmark
        ("gcn-ogbn-products", 103_727),
        ("graphsage-ogbn-products", 206_895),
        ("graphsage-ogbn-products-sampled", 206_895),
        ("gcn-ogbn-arxiv", 110_120),
        ("graphsage-ogbn-arxiv", 218_664),
    ],
)
def test_parameters_are_the_published_ones(name, parameters):
    """Code of Kipf and Welling and of Velickovic; column #Params of the leaderboard pages of the Open
    Graph Benchmark.
    """
    assert load_network(name).parameters == parameters


@pytest.mark.theory
def test_a_sparse_product_reads_a_feature_per_edge_and_writes_one_per_node():
    network = build_graph_network(CONFIG, SMALL)
    options = {"shard": Shard(), "precision": load_precision("fp32")}
    fused, loose = (
        block_kernels(network.blocks[0], Pass.FORWARD, stack=build_stack(fused=frozenset(groups)), **options)
        for groups in (("spmm",), ())
    )
    (sparse,) = [kernel for kernel in fused if "gather" in kernel.name]
    index = 2 * 8 * SMALL.edges
    assert sparse.nbytes == 4 * 32 * (SMALL.edges + SMALL.nodes) + index
    messages = sum(kernel.nbytes for kernel in loose if kernel.name in {"gather", "scatter"})
    assert messages - sparse.nbytes == 4 * 2 * 32 * SMALL.edges  # messages written and read


@pytest.mark.theory
def test_a_part_reads_the_distinct_nodes_at_its_cut_edges():
    halo = Halo(nodes=1000, edges=20_000, features=1, cut=0.3, parts=4)
    outside, cut_edges = 750, 0.3 * 5000
    assert halo.sent(4) == pytest.approx(outside * (1 - exp(-cut_edges / outside)))
    assert halo.sent(1) == 0
    assert halo.share(2) == pytest.approx(0.3 * 0.5 / 0.75)
    assert Halo(nodes=10, edges=100, features=1).share(5) == 0.8  # cut at random
    assert Halo(nodes=1000, edges=10**9, features=3, cut=1.0, parts=2).sent(2) == pytest.approx(3 * 500)


@pytest.mark.theory
def test_halos_travel_all_to_all_between_the_parts():
    network = build_graph_network(CONFIG, SMALL)
    cluster, stack = build_cluster(1), load_stack("dgl")
    report = simulate(workload(network), cluster, Strategy(cp=4), stack=stack).report
    group = Group(size=4, stride=1)

    def seconds(features):
        nbytes = 4 * Halo(nodes=1000, edges=20_000, features=features, cut=0.3, parts=4).sent(4)
        return collective_seconds(Operation.ALL_TO_ALL, nbytes, group, cluster)

    # both layers narrow their features before the edges, forward and backward
    assert report.breakdown["context_communication"] == pytest.approx(2 * (seconds(32) + seconds(4)))
    used = {use.purpose: use for use in report.communication}
    assert used["exchange between parts"].count == 4


@pytest.mark.theory
def test_a_part_computes_and_keeps_its_share():
    network = build_graph_network(CONFIG, SMALL)
    prices = price(workload(network), build_cluster(1), stack=load_stack("dgl"))
    whole, parts = (chain_costs(Strategy(cp=cp), prices) for cp in (1, 4))
    for one, other in zip(whole, parts, strict=True):
        assert other.saved == pytest.approx(one.saved / 4)
        assert other.parameters == one.parameters


@pytest.mark.theory
def test_sampled_neighbourhoods_grow_from_the_seeds():
    hoods = neighbourhoods(SMALL, 3, (15, 10, 5))
    assert [(h.targets, h.edges, h.sources) for h in hoods] == [
        (176, 880, 1056),
        (16, 160, 176),
        (1, 15, 16),
    ]
    few = neighbourhoods(SMALL, 1, (100,))
    assert few[0].edges == 20  # no more than a node has


@pytest.mark.property
@pytest.mark.parametrize("name", ["gcn-cora", "gat-reddit", "graphsage-ogbn-products-sampled"])
@pytest.mark.parametrize("strategy", [Strategy(cp=8), Strategy(dp=2, cp=4), Strategy(pp=2, cp=4)])
def test_no_step_is_shorter_than_its_bound(name, strategy):
    bounded_report(workload(load_network(name), batch=512, precision="bf16"), strategy, "dgl")


def test_more_parts_than_nodes_are_refused():
    network = build_graph_network(CONFIG, Graph(**{**_fields(SMALL), "nodes": 3, "parts": 1, "cut": 0.0}))
    with pytest.raises(StrategyError, match="cp 4: small has 3 nodes to divide; expected at most as many"):
        simulate(workload(network), build_cluster(1), Strategy(cp=4), stack=load_stack("dgl"))


def _fields(graph):
    names = ("name", "source", "nodes", "edges", "features", "classes", "parts", "cut")
    return {name: getattr(graph, name) for name in names}


FILE = """
kind = "graph"
nodes = 1000
edges = 20000
features = 64
classes = 4
parts = 4
cut = 0.3

[network]
model = "graphsage"
layers = 2
hidden = 32
fanout = [10, 5]
"""


def test_a_graph_of_ones_own(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(FILE)
    network = load_network(str(file))
    assert network.sample == "node"
    assert network.parameters == 2 * 64 * 32 + 32 + 2 * 32 * 4 + 4
    answer = CliRunner().invoke(main, ["plan", str(file), "--cluster", "dgx-a100:1", "--top", "1"])
    assert answer.exit_code == 0, answer.output
    assert "nodes/s" in answer.output


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("parts = 4", "parts = 1001", "graph mine: parts: found 1,001; expected at most its 1,000 nodes"),
        ("fanout = [10, 5]", "fanout = [10, 0]", "fanout[1]: found 0; expected at least 1"),
        ("fanout = [10, 5]", "fanout = [10]", "fanout: found 1 numbers; expected one for each of 2 layers"),
        ("fanout = [10, 5]", "fanout = []", "network.fanout: found an empty list"),
        ("cut = 0.3", "cut = 1.5", "cut: found 1.5; expected a share of edges, 0 to 1"),
        ("parts = 4\ncut", "cut", "cut: found 0.3 with one part"),
        ("nodes = 1000", "", "nodes: missing; expected a whole number"),
        ("nodes = 1000", "nodes = -1", "nodes: found -1; expected 1 to"),
        ("edges = 20000", 'edges = "many"', "edges: found 'many'; expected a whole number"),
        ('model = "graphsage"', 'model = "gin"', "model: found 'gin'; expected one of gcn, graphsage, gat"),
        ("hidden = 32", "hidden = 32\nwidth = 3", "width: found an unknown key"),
        ("[network]", "[net]", "network: missing; expected a table with model, layers and hidden"),
    ],
)
def test_faults_of_a_file_name_place_found_and_expected(tmp_path, old, new, message):
    file = tmp_path / "mine.toml"
    file.write_text(FILE.replace(old, new))
    with pytest.raises(NetworkError) as caught:
        load_network(str(file))
    assert message in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.golden
def test_graphs_name_their_sources():
    assert all(graph.source for graph in GRAPHS.values())
