"""`simdl.infer` and `simdl.transform`: what the commands say, as calls."""

import json

import pytest
from click.testing import CliRunner
from project import load_command

import simdl


def test_a_call_says_what_the_command_says():
    used = simdl.infer("resnet18", "dgx-a100:1gpu", global_batch=4)
    arguments = ["resnet18", "--cluster", "dgx-a100:1gpu", "--global-batch", "4", "--mode", "inference"]
    printed = CliRunner().invoke(load_command("simulate"), [*arguments, "--json"])
    assert used.to_dict() == json.loads(printed.stdout)
    assert used.headline in CliRunner().invoke(load_command("simulate"), arguments).stdout
    frame = used.frame()
    assert frame.seconds.sum() <= used.latency
    assert "samples/s" in str(used)


def test_a_transformed_network_is_one_that_calls_take():
    entries = [
        {"type": "prune", "layers": ("fc*",), "pattern": "2:4"},
        {"type": "quantize", "weight_bits": 8},
    ]
    small = simdl.transform("vgg16", entries)
    dense, sparse = (simdl.infer(each, "dgx-a100:1gpu", global_batch=32) for each in ("vgg16", small))
    assert sparse.latency < dense.latency
    assert simdl.simulate(small, "dgx-a100:1", dp=8, micro_batch=8).feasible
    assert simdl.transform("alexnet", published="deep-compression").parameters == 60_965_224


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simdl.transform("vgg16"), "transforms: found none"),
        (
            lambda: simdl.transform("vgg16", [{"type": "prune", "sparsity": 1.0}]),
            "expected at least 0 and below 1",
        ),
        (lambda: simdl.transform("vgg16", ["prune"]), "expected a list of mappings"),
        (lambda: simdl.transform("vgg16", "prune"), "expected a list of mappings"),
        (lambda: simdl.infer("resnet18", "dgx-a100", dp=0), "dp: found 0"),
        (lambda: simdl.infer("gpt3-175b", "dgx-a100", tp=2), "tp 8 fits"),
        (
            lambda: simdl.infer(simdl.load_network("gpt2"), "dgx-a100", generate=4),
            "generate 4: found a network that is an object",
        ),
    ],
)
def test_refusals_name_the_argument(call, message):
    with pytest.raises(simdl.SimdlError, match=message):
        call()
