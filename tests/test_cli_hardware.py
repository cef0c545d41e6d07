"""`simdl hardware`: what is registered, every number with its source, and names that are not."""

import json

import pytest
from click.testing import CliRunner

from hardware.profile_files import load_text
from hardware.profiles import device_names, link_names, load_device, load_node, node_names
from planner.commands.hardware import hardware


def run(*arguments):
    return CliRunner().invoke(hardware, arguments)


def profiles(name):
    done = run(name, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)["profiles"]


def test_list_names_everything_with_its_headline():
    done = run()
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    listed = {line.split()[0] for line in lines if line}
    assert {*device_names(), *link_names(), *node_names()} <= listed
    assert next(line for line in lines if line.startswith("a100-sxm-80gb ")).split()[1:7] == [
        "80.0",
        "GiB",
        "2.039",
        "TB/s",
        "312",
        "TFLOP/s",
    ]
    assert any("18 x nvswitch3 + 8 x infiniband-ndr" in line for line in lines)


def test_list_as_json():
    done = run("--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "devices": list(device_names()),
        "links": list(link_names()),
        "nodes": list(node_names()),
    }


def test_device_has_every_number_with_its_source():
    done = run("h100-sxm-80gb")
    assert done.exit_code == 0, done.output
    for number in load_device("h100-sxm-80gb").numbers:
        line = next(line for line in done.stdout.splitlines() if line.split()[:1] == [number.path])
        for part in (number.text, number.citation.kind, number.citation.title, number.note):
            assert part in line
        assert number.citation.location in done.stdout


@pytest.mark.published
def test_device_as_json_in_base_units():
    (device,) = profiles("a100-sxm-80gb")
    assert set(device) == {"kind", "name", "description", "numbers"}
    numbers = {number["path"]: number for number in device["numbers"]}
    assert numbers["peak_flop_rate.bf16"]["value"] == 312e12
    assert numbers["memory.bandwidth"]["text"] == "2039 GB/s"
    assert numbers["memory.bandwidth"]["source"]["kind"] == "datasheet"
    assert set(numbers["memory.capacity"]["source"]) == {"kind", "title", "location", "read_on"}


def test_node_resolves_its_device_and_links():
    node, device, *links = profiles("dgx-h100")
    assert (node["kind"], node["device"], device["name"]) == ("node", "h100-sxm-80gb", "h100-sxm-80gb")
    assert [link["name"] for link in links] == ["nvswitch3", "infiniband-ndr"]
    assert [(level["link"], level["ports"], level["size"]) for level in node["levels"]] == [
        ("nvswitch3", 18, 8),
        ("infiniband-ndr", 8, 0),
    ]
    shown = run("dgx-h100").stdout
    for text in ("8 devices", "18 a device", "450 GB/s a device", "all nodes", "8 a node", "400 GB/s a node"):
        assert text in shown
    for number in load_node("dgx-h100").levels[0].link.numbers:
        assert number.citation.location in shown


def test_link():
    (link,) = profiles("nvlink3")
    assert [number["path"] for number in link["numbers"]] == [
        "bandwidth",
        "latency",
        "efficiency",
        "half_size",
    ]
    assert "ramp time of the family nvlink" in run("nvlink3").stdout


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("dgxh100", "dgx-h100"),
        ("A100-SXM-80G", "a100-sxm-80gb"),
        ("nvlinc4", "nvlink4"),
        ("titan", "titan-v-node, k20x, cray-xk7?"),  # cards of that name, and the machine of K20X
    ],
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_unknown_names_suggest_the_nearest(name, meant, options):
    done = run(name, *options)
    assert done.exit_code == 2
    assert f"unknown device, link or node type {name!r}; did you mean" in done.stderr
    assert meant in done.stderr
    assert not done.stdout


def test_a_cluster_file_shows_its_device_and_links(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(load_text("clusters", "dgx-1-v100"), encoding="utf-8")
    assert [profile["name"] for profile in profiles(str(path))][:2] == ["mine", "v100-sxm2-16gb"]


def test_a_cluster_file_that_is_not_there_is_named():
    done = run("nowhere.toml")
    assert done.exit_code == 2
    assert "nowhere.toml: cannot be read" in done.stderr


def test_a_node_shows_the_host_that_its_devices_share():
    """Memory, bandwidth and link, each with its source; the link's own numbers too."""
    done = run("dgx-h100")
    host = load_node("dgx-h100").host
    assert (
        "host of a node: 2.0 TiB of memory at 614.4 GB/s, pcie5-x16 of 63 GB/s each way to a device"
        in done.stdout
    )
    assert f"host {host.name}: {host.description}" in done.stdout
    assert "link pcie5-x16:" in done.stdout
    found = profiles("dgx-h100")[0]["host"]
    assert (found["memory"], found["bandwidth"], found["link"]["name"]) == (2 * 2**40, 614.4e9, "pcie5-x16")
    assert {number["path"] for number in found["numbers"]} == {number.path for number in host.numbers}
    assert profiles("tpu-v4-slice")[0]["host"] is None
