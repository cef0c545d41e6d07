"""Registered fabrics by name, what they do to collectives, and libraries that a cluster's file names."""

import json

import pytest
from click.testing import CliRunner

from hardware.profiles import load_cluster, load_mixed_cluster
from planner.cli import main
from planner.questions.cluster_library import library_of
from planner.questions.question import Options, load_question
from simdl.communication import Group, Operation, collective_time
from simdl.errors import CollectiveError

FILE = """
description = "{name}"
{library}
device = "a100-sxm-80gb"

[sources.order]
kind = "datasheet"
title = "Order"
location = "https://example.org"
read_on = 2026-11-30

[[levels]]
name = "node"
link = "nvswitch2"
topology = "switch"
ports = {{ value = 12, source = "order" }}
size = {{ value = 8, source = "order" }}

[[levels]]
name = "network"
link = "infiniband-hdr"
topology = "switch"
ports = {{ value = 8, source = "order" }}
size = {{ value = 0, source = "order" }}
"""


@pytest.fixture
def cluster_file(tmp_path):
    def write(name, library):
        path = tmp_path / f"{name}.toml"
        path.write_text(FILE.format(name=name, library=f'library = "{library}"' if library else ""))
        return str(path)

    return write


def run(*arguments):
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dgx-superpod-h100", "spine - rail 0 of pod 0 to rail 7 of pod 1: 32 x infiniband-ndr, 1.6 TB/s"),
        ("meta-h100-24k", "root - switch 1.0 to 1.1: 438.9 x roce-400g, 21.94 TB/s each"),
        ("meta-h100-24k", "64 of them drawn with 16 of 192 below a switch"),
        ("xc50-p100", "drawn with 8 of the 96 routers of a group"),
        ("xc50-p100", "between routers, 56 pairs - 0.5714 x aries, 5.714 GB/s each"),
    ],
)
def test_registered_fabrics_are_drawn(name, text):
    assert text in run("hardware", name).stdout


def seconds(cluster, operation):
    found = load_cluster(cluster)
    return collective_time(operation, 2**30, Group(size=found.devices), found).time


def test_an_oversubscribed_tier_slows_what_crosses_it():
    """Two pods of 384 nodes at 7:1: an all-to-all sends half of its bytes through a seventh of the ports."""
    inside, across = (seconds(f"meta-h100-24k:{count}", Operation.ALL_TO_ALL) for count in (384, 768))
    assert across > 3 * inside
    rails = [seconds(f"dgx-superpod-h100:{count}", Operation.ALL_TO_ALL) for count in (32, 64)]
    assert rails[1] < 1.1 * rails[0]


@pytest.mark.parametrize("library", ["nccl:2.18.5", "msccl", "mpi", "xla"])
def test_a_clusters_library_takes_the_place_of_its_devices(cluster_file, library):
    path = cluster_file("own", library)
    found = json.loads(run("collectives", "--cluster", path, "--op", "all_reduce", "--json").stdout)
    assert found["library"] == library
    assert f"collective library {library}" in run("hardware", path).stdout
    question = load_question(Options(model="gpt2", cluster=path))
    assert question.stack.library == library
    assert any(
        f"collective library {library} (of the cluster's file" in each for each in question.assumptions
    )


def test_an_option_comes_before_the_file_and_a_file_without_one_takes_the_devices(cluster_file):
    path = cluster_file("own", "nccl:2.18.5")
    asked = ("collectives", "--cluster", path, "--op", "all_reduce", "--library", "mpi", "--json")
    assert json.loads(run(*asked).stdout)["library"] == "mpi"
    assert library_of(load_cluster(cluster_file("plain", ""))) == "nccl"


@pytest.mark.parametrize(
    ("library", "message"),
    [
        ("ncl", "library: unknown collective library 'ncl'"),
        ("nccl:1.0", "library: unknown version '1.0' of nccl"),
    ],
)
def test_unknown_libraries_are_refused_with_their_place(cluster_file, library, message):
    path = cluster_file("own", library)
    for asked in (("collectives", "--op", "all_reduce"), ("plan", "gpt2")):
        done = run(*asked, "--cluster", path)
        assert done.exit_code == 2
        assert message in done.stderr


def test_nodes_of_a_mixed_cluster_share_one_library(cluster_file):
    mixed = load_mixed_cluster(f"{cluster_file('one', 'nccl:2.18.5')},{cluster_file('two', 'mpi')}")
    with pytest.raises(CollectiveError, match=r"found nccl:2\.18\.5 of one:1, mpi of two:1; expected one"):
        library_of(mixed)
