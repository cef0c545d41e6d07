"""`simdl simulate --mode inference`: answers, what is assumed, and refusals with exit status 2."""

import json

import pytest
from click.testing import CliRunner
from project import load_command

from planner.commands.simulate import simulate


def _run(*arguments):
    return CliRunner().invoke(simulate, arguments)


def _json(*arguments):
    result = _run(*arguments, "--mode", "inference", "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_an_image_on_one_device():
    answer = _json("resnet18", "--cluster", "dgx-a100:1")
    assert answer["batch"] == answer["devices"] == 1
    assert answer["latency"] > 0
    assert answer["energy_per_sample"] == pytest.approx(sum(answer["forward"]["energy"].values()))
    assert sum(answer["memory"].values()) == pytest.approx(answer["peak_memory"])
    layers = answer["forward"]["layers"]
    assert {"name", "flops", "nbytes", "seconds", "bound", "energy"} <= set(layers[0])
    assert any("1 of 8 devices" in text for text in answer["assumptions"])


def test_a_batch_is_shared_by_the_devices_there_are():
    answer = _json("resnet18", "--cluster", "dgx-a100:1", "--global-batch", "32")
    assert (answer["replicas"], answer["batch"]) == (8, 4)
    answer = _json("resnet18", "--cluster", "dgx-a100:1", "--micro-batch", "32")
    assert (answer["replicas"], answer["batch"]) == (1, 32)


def test_an_answer_of_a_decoder_takes_the_devices_that_hold_it():
    answer = _json("llama2-70b", "--cluster", "dgx-a100:1", "--generate", "8", "--seq-len", "128")
    assert answer["tp"] == 2
    assert answer["prompt_tokens"] == 128
    assert answer["generation"]["tokens"] == 8
    assert answer["generation"]["time_to_first_token"] < answer["latency"]


@pytest.mark.parametrize("cluster", ["phone", "jetson-orin-nano-board", "jetson-agx-orin-board"])
def test_phone_and_boards_say_that_numbers_are_assumed(cluster):
    result = _run("mobilenet-v2", "--cluster", cluster, "--mode", "inference")
    assert result.exit_code == 0, result.stderr
    assert "how fast its kernels are is assumed, not measured" in result.stdout
    assert "layer by layer" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet18", "--cluster", "dgx-a100", "--generate", "4"), "writes no tokens one after another"),
        (("resnet18", "--cluster", "dgx-a100", "--zero", "1"), "--zero: given with --mode inference"),
        (("resnet18", "--cluster", "dgx-a100", "--trace", "x.json"), "--trace: given with --mode inference"),
        (("resnet18", "--cluster", "dgx-a100", "--optimizer", "sgd"), "--optimizer: given with --mode"),
        (("gpt3-175b", "--cluster", "dgx-a100", "--tp", "1"), "does not fit: a100-sxm-80gb is"),
        (("resnet18", "--cluster", "dgx-a100:1,dgx-h100:1"), "found several node types"),
    ],
)
def test_refusals_are_one_message(arguments, message):
    result = _run(*arguments, "--mode", "inference")
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_answer_about_use_is_none_about_training(tmp_path):
    file = tmp_path / "use.json"
    file.write_text(_run("resnet18", "--cluster", "phone", "--mode", "inference", "--json").stdout, "utf-8")
    done = CliRunner().invoke(load_command("explain"), [str(file)])
    assert done.exit_code == 2
    assert 'mode: found "inference"; expected an answer about training' in done.stderr


def test_tokens_of_an_answer_belong_to_inference():
    result = _run("llama3-8b", "--cluster", "dgx-a100", "--generate", "4")
    assert result.exit_code == 2
    assert "expected --mode inference" in result.stderr
