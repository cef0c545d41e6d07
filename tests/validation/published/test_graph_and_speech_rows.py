"""Rows of graph networks and of speech: what scripts train by default, and what they count."""

from dataclasses import replace

import pytest

from validation.errors import RowSkippedError
from validation.published.prediction import predict_shipped, row_setup
from validation.published.tables import load_published

ROWS = load_published().rows
GRAPHS = [row for row in ROWS if row.file == "gnn-training.csv"]


def changed(row, **cells):
    return replace(row, cells={**row.cells, **cells})


def graph(model, framework):
    return next(row for row in GRAPHS if model in row["model"] and framework in row["framework"])


@pytest.mark.parametrize(
    ("model", "framework", "stack", "parameters"),
    [
        # two layers, each with two products and a bias: 2 x 1,433 x 16 + 16 + 2 x 16 x 7 + 7
        ("GraphSAGE on cora", "DGL", "dgl-2021", 46_103),
        ("GraphSAGE on cora", "PyG", "pyg-sparse", 46_103),
        # 2 x (100 x 64 + 64 x 64 + 64 x 47) + 64 + 64 + 47
        ("GraphSAGE on ogbn-product", "DGL", "dgl-2021", 27_183),
    ],
)
def test_graph_rows_train_what_their_scripts_train_by_default(model, framework, stack, parameters):
    setup = row_setup(graph(model, framework))
    assert (setup.stack, setup.workload.network.parameters) == (stack, parameters)
    assert setup.workload.optimizer.name == "adam"


def test_the_scripts_layers_aggregate_what_they_read_before_its_product():
    network = row_setup(graph("GraphSAGE on reddit", "DGL")).workload.network
    first = next(layer for layer in network.blocks[0].layers if layer.kind == "aggregation")
    assert first.output_shape == (232_965, 602)


@pytest.mark.published
def test_messages_of_a_large_graph_do_not_fit_where_the_run_failed():
    """DGL's page prints that PyTorch Geometric runs out of memory on Reddit, and DGL does not."""
    found = [predict_shipped(graph("GCN on Reddit (", framework)) for framework in ("PyG", "DGL")]
    assert [each.report is not None and each.report.feasible for each in found] == [False, True]


def test_a_gcn_of_pytorch_geometric_multiplies_before_it_sends():
    widths = [
        [layer.output_shape[-1] for layer in block.layers if layer.kind == "aggregation"]
        for framework in ("PyG", "DGL")
        for block in row_setup(graph("GCN on Reddit-S", framework)).workload.network.blocks[:2]
    ]
    assert widths == [[16], [41], [16], [16]]


@pytest.mark.published
@pytest.mark.parametrize("model", ["GraphSAGE on reddit", "GraphSAGE on ogbn-product"])
def test_large_graphs_are_predicted_without_a_fit(model):
    """dglai/dgl-0.5-benchmark, README: 0.3627 and 0.3436 s an epoch on a V100, nothing fitted to them."""
    result = predict_shipped(graph(model, "DGL"))
    assert result.predicted == pytest.approx(result.setup.measured, rel=0.1)


@pytest.mark.published
@pytest.mark.parametrize(
    ("model", "framework"), [("GCN on Cora", "DGL"), ("GCN on PubMed", "PyG"), ("GraphSAGE on cora", "PyG")]
)
def test_small_graphs_take_what_the_host_takes_for_their_operators(model, framework):
    """Times of DGL's tables: 0.666 and 0.491 s for 200 epochs of a GCN, 2.6 ms of GraphSAGE; no fit."""
    result = predict_shipped(graph(model, framework))
    assert result.predicted == pytest.approx(result.setup.measured, rel=0.12)


def test_a_table_that_names_its_device_elsewhere_says_so():
    setup = row_setup(graph("GCN on Cora", "DGL"))
    assert setup.cluster.device.name == "v100-sxm2-16gb"
    assert any("p3.2x instance" in each for each in setup.assumptions)


def test_rows_without_a_device_or_a_known_graph_are_skipped_with_the_reason():
    row = graph("GCN on Cora", "DGL")
    with pytest.raises(RowSkippedError, match="the device is not named"):
        row_setup(changed(row, source_item="another page"))
    with pytest.raises(RowSkippedError, match="graph flickr is not registered"):
        row_setup(changed(row, model="GCN on flickr (full graph)", device="V100-SXM2-16GB"))
    with pytest.raises(RowSkippedError, match="depth and widths of gat in dmlc/dgl"):
        row_setup(changed(row, model="GAT on Cora (full graph)", device="V100-SXM2-16GB"))


def speech(model, precision="fp16"):
    rows = (row for row in ROWS if row["model"].lower() == model and precision in row["precision"])
    return row_setup(next(rows))


def test_a_batch_of_speech_is_padded_to_its_longest_clip_and_counts_frames_without():
    setup = speech("tacotron2")
    frames = setup.workload.network.tokens * 6  # a registered sample has six frames to a character
    assert setup.unit == "frames/s"
    assert frames == pytest.approx(10.1 * 22_050 / 256, rel=0.01)
    assert setup.counted * setup.workload.network.tokens == pytest.approx(6.57 * 22_050 / 256)


def test_an_option_that_the_program_ignores_trains_in_32_bit():
    assert speech("waveglow").workload.precision.matmul in {"tf32", "fp32"}
    assert any("ignored" in each for each in speech("waveglow").assumptions)
    named = next(row for row in ROWS if row["model"].lower() == "waveglow" and "fp16" in row["precision"])
    unnamed = row_setup(changed(named, source="unknown"))
    assert unnamed.workload.precision == speech("waveglow").workload.precision
    assert not any("ignored" in each for each in speech("waveglow", "fp32").assumptions)


def test_waveglow_counts_every_sample_of_its_segments():
    setup = speech("waveglow")
    assert (setup.unit, setup.counted, setup.workload.network.tokens) == ("sound samples/s", 1.0, 8000)
