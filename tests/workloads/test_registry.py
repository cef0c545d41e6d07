"""Networks by name or file: overrides are honoured or refused, unknown names suggest the nearest."""

import subprocess
import sys

import pytest

from workloads.errors import UnknownNameError, WorkloadError
from workloads.registry import load_network, network_names


def test_names_are_sorted_and_build_networks_of_that_name():
    names = network_names()
    assert list(names) == sorted(names)
    for name in names:
        assert load_network(name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "lenet5",
        "alexnet",
        "vgg16",
        "googlenet",
        "resnet50",
        "densenet121",
        "bert-large",
        "gpt2",
        "gpt3-175b",
        "megatron-1t",
        "llama3.1-70b",
    ],
)
def test_names_follow_the_field(name):
    assert name in network_names()


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown network 'resnet5'; did you mean resnet50"):
        load_network("resnet5")


def test_sequence_length_is_honoured():
    assert load_network("gpt2", tokens=128).tokens == 128


def test_image_size_is_honoured():
    assert load_network("resnet50", image_size=160).blocks[0].layers[0].output_shape == (64, 80, 80)


@pytest.mark.parametrize(
    ("name", "override", "message"),
    [
        ("resnet50", {"tokens": 128}, "its samples are images"),
        ("gpt2", {"image_size": 128}, "its samples are no images"),
        ("vgg16", {"image_size": 128}, "its size is fixed"),
        ("resnet50", {"image_size": 0}, "image size: found 0; expected at least 1"),
        ("gpt2", {"tokens": -1}, "sequence length: found -1; expected at least 1"),
        ("inception-v3", {"image_size": 32}, "expected a window that fits"),
    ],
)
def test_overrides_that_cannot_be_honoured_are_refused(name, override, message):
    with pytest.raises(WorkloadError, match=message):
        load_network(name, **override)


def test_hugging_face_and_toml_files_are_told_by_their_suffix(tmp_path):
    for name in ("config.json", "net.toml"):
        with pytest.raises(WorkloadError, match=f"{name}: cannot be read"):
            load_network(str(tmp_path / name))


def test_listing_names_loads_no_file_parser():
    code = "import sys; import workloads.registry as r; r.network_names(); print('pydantic' in sys.modules)"
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
