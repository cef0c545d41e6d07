"""`simdl microbatch` as a user meets it."""

import json
import re

import pytest
from click.testing import CliRunner

from planner.cli import main
from workloads.profiles import MU_CUDNN_LAYERS

LISTS = str(MU_CUDNN_LAYERS)
QUESTION = ("alexnet", "--device", "p100-sxm", "--batch", "128", "--workspace", "64MiB")
KEYS = {
    "model",
    "device",
    "batch",
    "precision",
    "policy",
    "mode",
    "workspace_limit",
    "deterministic",
    "layout",
    "concurrent",
    "time",
    "conversions",
    "undivided_time",
    "speedup",
    "workspace",
    "status",
    "bound",
    "gap",
    "priced",
    "considered",
    "solve_time",
    "feasible",
    "reasons",
    "algorithms",
    "layers",
}
TABLE = "device,layer,pass,algorithm,batch,time_us,workspace_MiB\n"


def run(*arguments):
    return CliRunner().invoke(main, ["microbatch", *arguments])


def answer(*arguments):
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_command_is_listed_with_its_help():
    listed = CliRunner().invoke(main, ["--help"]).stdout
    assert re.search(r"^ +microbatch +Choose micro-batches", listed, re.MULTILINE)


@pytest.mark.parametrize("mode", ["reuse", "division"])
def test_json_says_what_was_chosen_and_how_sure_it_is(mode):
    found = answer(*QUESTION, "--mode", mode)
    assert set(found) == KEYS | {"headline"}
    assert (found["status"], found["gap"], found["feasible"]) == ("optimal", 0, True)
    assert found["time"] == pytest.approx(sum(layer["time"] for layer in found["layers"]))
    assert found["speedup"] == pytest.approx(found["undivided_time"] / found["time"])
    spaces = [layer["workspace"] for layer in found["layers"]]
    assert found["workspace"] == (max(spaces) if mode == "reuse" else sum(spaces)) <= 2**26
    for layer in found["layers"]:
        assert set(layer) == {
            "layer",
            "pass",
            "micro_batches",
            "time",
            "workspace",
            "undivided",
            "measured",
            "layout",
        }
        assert sum(part["size"] for part in layer["micro_batches"]) == 128
        assert set(layer["micro_batches"][0]) == {"size", "algorithm", "time", "workspace"}


@pytest.mark.parametrize("mode", ["reuse", "division"])
def test_freer_policies_are_never_slower(mode):
    found = [
        answer(*QUESTION, "--mode", mode, "--policy", policy)
        for policy in ("any", "power-of-two", "undivided")
    ]
    times = [each["time"] for each in found]
    assert times == sorted(times)
    assert times[0] < times[2]
    assert all(each["undivided_time"] == pytest.approx(times[2]) for each in found)


def test_more_workspace_is_never_slower():
    times = [
        answer("alexnet", "--device", "p100-sxm", "--batch", "128", "--workspace", limit)["time"]
        for limit in ("1MiB", "8MiB", "64MiB", "512MiB", "4GiB")
    ]
    assert times == sorted(times, reverse=True)
    assert times[0] > times[-1]


def test_the_table_shows_choice_time_workspace_and_proof():
    done = run(*QUESTION)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith(
        "Run the 14 convolution passes of alexnet on one p100-sxm with a batch of 128 "
    )
    assert lines[1] == "alexnet on p100-sxm, batch 128, fp32, power-of-two micro-batches, reuse"
    assert lines[2].split() == [
        "layer",
        "pass",
        "micro-batches",
        "time",
        "undivided",
        "workspace",
        "priced",
        "by",
    ]
    assert any(" x " in line and "winograd_nonfused" in line for line in lines)
    assert "times as fast" in lines[-3]
    assert lines[-2].endswith("of 64.0 MiB")
    assert lines[-1].startswith("solver: optimal, bound ")
    assert ", gap 0, " in lines[-1]


def test_a_layer_list_runs_at_its_own_batch():
    found = answer(f"{LISTS}:alexnet", "--device", "p100-sxm")
    assert found["batch"] == 256
    assert len(found["layers"]) == 15
    assert found["time"] < found["undivided_time"]
    named = answer("mu-cudnn:alexnet", "--device", "p100-sxm")
    assert (named["time"], named["batch"]) == (found["time"], 256)


def test_a_modelled_table_gives_the_model_s_answer(tmp_path):
    path = str(tmp_path / "modelled.csv")
    modelled = answer(*QUESTION, "--write-table", path)
    measured = answer(*QUESTION, "--table", path)
    assert measured["time"] == modelled["time"]
    assert all(layer["measured"] for layer in measured["layers"])
    assert not any(layer["measured"] for layer in modelled["layers"])


def test_an_existing_table_is_replaced_by_force_only(tmp_path):
    path = tmp_path / "modelled.csv"
    path.write_text("mine")
    refused = run(*QUESTION, "--write-table", str(path))
    assert refused.exit_code == 2
    assert "modelled.csv: exists; expected a new table, or --force to replace it" in refused.stderr
    assert path.read_text() == "mine"
    assert run(*QUESTION, "--write-table", str(path), "--force").exit_code == 0
    assert path.read_text() != "mine"


def test_a_measured_pass_replaces_the_model(tmp_path):
    path = tmp_path / "measured.csv"
    path.write_text(TABLE + "p100-sxm,conv2/conv2,forward,fft,32,1,1\n")
    layer = answer(*QUESTION, "--table", str(path))["layers"]
    (found,) = [each for each in layer if each["measured"]]
    assert [part["size"] for part in found["micro_batches"]] == [32] * 4
    assert found["time"] == pytest.approx(4e-6)
    assert found["undivided"] is None


def test_deterministic_leaves_out_atomic_sums(tmp_path):
    path = tmp_path / "measured.csv"
    rows = ("algo_0,128,1,0", "algo_1,128,3,1", "algo_3,128,2,1")
    path.write_text(TABLE + "".join(f"p100-sxm,conv2/conv2,weight_gradient,{row}\n" for row in rows))
    fast, same = (answer(*QUESTION, "--table", str(path), *flag) for flag in ((), ("--deterministic",)))

    def measured(found):
        (layer,) = [each for each in found["layers"] if each["measured"]]
        return [part["algorithm"] for part in layer["micro_batches"]], layer["time"]

    assert (measured(fast), measured(same)) == ((["algo_0"], 1e-6), (["algo_1"], 3e-6))
    assert {each["deterministic"] for each in fast["algorithms"]} == {True, False}
    assert all(each["deterministic"] for each in same["algorithms"])
    assert same["time"] >= fast["time"] + 2e-6 * (1 - 1e-9)  # other layers lose atomic sums too


def test_layouts_are_chosen_and_told():
    found = answer("alexnet", *QUESTION[1:5], "--policy", "undivided", "--layout", "choose")
    assert {layer["layout"] for layer in found["layers"]} <= {"NCHW", "NHWC"}
    assert found["time"] == pytest.approx(
        sum(layer["time"] for layer in found["layers"]) + found["conversions"]
    )
    printed = run("alexnet", *QUESTION[1:5], "--policy", "undivided", "--layout", "NHWC").stdout
    assert "layouts: 5 layers in NHWC; conversions 0 s" in printed
    assert answer(*QUESTION)["layers"][0]["layout"] is None


def test_streams_share_the_workspace():
    alone, shared = (
        answer("alexnet", *QUESTION[1:5], "--workspace", "8MiB", "--concurrent", each)
        for each in ("none", "gradients")
    )
    assert alone["time"] <= shared["time"]
    assert shared["workspace"] <= 8 * 2**20


def test_a_pass_that_only_atomic_sums_can_run_is_refused(tmp_path):
    path = tmp_path / "measured.csv"
    path.write_text(TABLE + "p100-sxm,conv2/conv2,weight_gradient,algo_0,128,1,0\n")
    done = run(*QUESTION, "--table", str(path), "--deterministic")
    assert done.exit_code == 2
    assert "conv2/conv2 weight_gradient: no configuration covers a batch of 128" in done.stderr


@pytest.mark.parametrize("mode", ["reuse", "division"])
def test_an_infeasible_limit_says_which_and_exits_with_1(tmp_path, mode):
    path = tmp_path / "measured.csv"
    path.write_text(TABLE + "p100-sxm,conv2/conv2,forward,fft,128,1,65\n")
    done = run(*QUESTION, "--mode", mode, "--table", str(path))
    assert done.exit_code == 1
    limit = "the workspace of conv2/conv2 forward" if mode == "reuse" else "the total workspace"
    assert f"infeasible; short of {limit} [bytes] by 1.049e+06" in done.stdout
    refused = run(*QUESTION, "--mode", mode, "--table", str(path), "--json")
    assert refused.exit_code == 1
    assert json.loads(refused.stdout)["binding"] == {f"{limit} [bytes]": 2**20}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("alexnet", "--device", "p100-sxm", "--batch", "8", "--workspace", "0B"),
            "--workspace: found '0B'; expected at least 1 B",
        ),
        (
            ("alexnet", "--device", "p100-sxm", "--batch", "8", "--workspace", "64"),
            "--workspace: '64' has no unit",
        ),
        (("alexnet", "--device", "p100-sxn", "--batch", "8"), "did you mean p100-sxm"),
        (("alexnot", "--device", "p100-sxm", "--batch", "8"), "did you mean alexnet"),
        (("gpt2", "--device", "p100-sxm", "--batch", "8"), "gpt2: no convolution"),
        (("alexnet", "--device", "p100-sxm"), "--batch: missing"),
        (("alexnet", "--device", "p100-sxm", "--batch", "0"), "'--batch'"),
        (("alexnet", "--device", "p100-sxm", "--batch", "8", "--policy", "all"), "'--policy'"),
        (
            ("alexnet", "--device", "p100-sxm", "--batch", "8", "--table", "gone.csv"),
            "gone.csv: cannot be read (No such file or directory); expected a CSV file in UTF-8",
        ),
        (
            ("gone.csv", "--device", "p100-sxm"),
            "gone.csv: cannot be read (No such file",
        ),
        ((f"{LISTS}:vgg", "--device", "p100-sxm"), "no list 'vgg'"),
        ((*QUESTION, "--layout", "NWHC"), "'--layout'"),
        (
            (*QUESTION, "--mode", "division", "--concurrent", "all"),
            "--concurrent: found with --mode division",
        ),
        ((*QUESTION, "--layout", "NHWC", "--table", LISTS), "--layout: found with --table"),
    ],
)
def test_bad_input_is_one_message_and_exits_with_2(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("p100-sxm,conv2/conv2,forward,,8,1,1\n", "line 2: algorithm: empty"),
        ("p100-sxm,conv2/conv2,forward,fft,8,-1,1\n", "line 2: time_us: found '-1'"),
        ("p100-sxm,conv2/conv2,forward,algo_3,8,1,1\n", "line 2: algorithm: found 'algo_3'; expected"),
        ("p100-sxm,conv2/conv2,forward,fft,3,1,1\n", "no configuration covers a batch of 8"),
    ],
)
def test_a_bad_table_exits_with_2(tmp_path, rows, message):
    path = tmp_path / "measured.csv"
    path.write_text(TABLE + rows)
    done = run("alexnet", "--device", "p100-sxm", "--batch", "8", "--table", str(path), "--policy", "any")
    assert done.exit_code == 2
    assert message in done.stderr
