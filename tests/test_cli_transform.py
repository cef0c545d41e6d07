"""`simdl transform`: the answer, the file, and refusals with exit status 2."""

import json

import pytest
from click.testing import CliRunner

from planner.commands.models import models
from planner.commands.transform import transform


def _run(*arguments):
    return CliRunner().invoke(transform, arguments)


def test_answer_and_file_agree(tmp_path):
    out = tmp_path / "net.toml"
    options = ("--prune", "fc6,fc7=0.91,4", "--share", "fc*=5", "--low-rank", "fc8=100", "--fuse", "all")
    result = _run("alexnet", *options, "--out", str(out), "--json")
    assert result.exit_code == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["storage"]["before"] == 4 * 60_965_224
    layers = {layer["name"]: layer for layer in answer["layers"]}
    assert layers["fc6/fc6"]["sparsity"] == 0.91
    assert layers["fc6/fc6"]["index_bits"] == 4
    assert layers["fc8/fc8_low"]["parameters"] == 409_600
    shown = json.loads(CliRunner().invoke(models, [str(out), "--json"]).stdout)
    assert shown["name"] == "alexnet-net"
    assert shown["parameters"] == answer["parameters"]["after"]
    assert shown["forward_flops"] == answer["forward_flops"]["after"]


def test_table_names_layers_and_totals():
    result = _run("lenet5-caffe", "--published", "deep-compression")
    assert result.exit_code == 0, result.stderr
    assert "storage without codes" in result.stdout
    assert "ip1/ip1" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "found no transform"),
        (("--prune", "1"), "--prune 1: sparsity: found 1; expected at least 0 and below 1"),
        (("--prune", "fc5=half"), "expected [LAYERS=]SPARSITY"),
        (("--prune", "nan"), "sparsity: found nan"),
        (("--low-rank", "fc5=1000"), "rank 1000"),
        (("--prune", "fc9=0.5"), "unknown layer 'fc9'"),
        (("--published", "deep-compression"), "no table for network lenet5; it has lenet-300-100"),
        (("--prune", "0.5", "--precision", "fp99"), "unknown precision"),
        (("--prune", "0.5", "--out", "net.json"), "ends in .toml"),
    ],
)
def test_refusals_are_one_message(options, message):
    result = _run("lenet5", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
