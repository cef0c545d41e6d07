"""`simdl pipeline` as a user meets it."""

import json

import pytest
from click.testing import CliRunner

from planner.commands.pipeline import pipeline
from workloads.profiles import PIPEDREAM_NODES as NODES

CLUSTER = ("--cluster", "dgx-1-v100:2")


def run(*arguments):
    return CliRunner().invoke(pipeline, list(arguments))


def test_table():
    done = run(f"{NODES}:vgg16", *CLUSTER)
    assert done.exit_code == 0, done.output
    assert "vgg16 on dgx-1-v100:2, measured profile" in done.output
    assert "a minibatch every" in done.output


def test_a_published_profile_has_a_name():
    assert run("vgg16", *CLUSTER).output == run(f"{NODES}:vgg16", *CLUSTER).output
    refused = run("vgg17", *CLUSTER)
    assert refused.exit_code == 2
    assert "no model 'vgg17'; did you mean vgg16" in refused.output


def test_json_has_stable_keys_and_uses_all_devices():
    found = json.loads(run(f"{NODES}:resnet50", *CLUSTER, "--json").stdout)
    assert set(found) == {
        "model",
        "cluster",
        "devices",
        "step_time",
        "data_parallel",
        "stages",
        "headline",
        "wall_time",
    }
    assert sum(stage["devices"] for stage in found["stages"]) == 16
    assert sum(len(stage["layers"]) for stage in found["stages"]) == 176
    assert found["step_time"] <= found["data_parallel"]


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        (f"{NODES}:resnet5", "did you mean resnet50"),
        (str(NODES), "expected FILE_nodes.csv:NAME"),
        (
            "nowhere_nodes.csv:resnet50",
            "nowhere_nodes.csv: cannot be read (No such file",
        ),
    ],
)
def test_bad_input_ends_with_status_2_and_one_message(profile, message):
    done = run(profile, *CLUSTER)
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00\x01", "expected a CSV file in UTF-8"),
        (
            NODES.read_bytes().splitlines()[0] + b"\nshort,node1,ReLU\n",
            "forward_ms: found ''; expected a number",
        ),
    ],
)
def test_a_file_that_is_no_table_is_one_message(tmp_path, content, message):
    nodes = tmp_path / "x_nodes.csv"
    nodes.write_bytes(content)
    (tmp_path / "x_edges.csv").write_text("model,src_node,dst_node\n")
    done = run(f"{nodes}:short", *CLUSTER)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert not done.stdout


def test_more_nodes_than_can_be_tried_are_refused_at_once():
    done = run(f"{NODES}:vgg16", "--cluster", "dgx-1-v100:1000")
    assert done.exit_code == 2, done.output
    assert "found 1,000 components of one level" in done.output
    assert "expected at most 740 for the 40 layers of vgg16" in done.output
