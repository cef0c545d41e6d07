"""`simdl scale` as a user meets it."""

import json

import pytest
from click.testing import CliRunner

from planner.commands.scale import scale
from planner.questions.scaling import cluster_names


def run(*arguments):
    return CliRunner().invoke(scale, list(arguments))


def test_ranges_of_nodes():
    assert cluster_names("dgx-a100:1..4") == ["dgx-a100:1", "dgx-a100:2", "dgx-a100:4"]


def test_table_says_where_it_stops_and_what_stops_it():
    done = run("alexnet", "--cluster", "dgx-1-v100:1..4", "--mode", "strong", "--global-batch", "256")
    assert done.exit_code == 0, done.output
    assert "alexnet on dgx-1-v100:1..4, strong scaling" in done.output
    assert "data parallelism stops paying at 16 devices: communication" in done.output
    assert "assumed: precision fp16" in done.output


def test_one_count_is_no_scaling():
    done = run("alexnet", "--cluster", "dgx-1-v100:1..1")
    assert done.exit_code == 0, done.output
    assert "one count shows no scaling; expected a range of several, such as 1..64" in done.output
    assert "pays" not in done.output


def test_json_has_stable_keys():
    done = run("resnet50", "--cluster", "dgx-1-v100:1..2", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == {
        "model",
        "seq_len",
        "precision",
        "stack",
        "mode",
        "points",
        "stops_at",
        "stopped_by",
        "conclusion",
        "assumptions",
        "headline",
    }
    assert found["stops_at"] is None
    assert set(found["points"][0]) == {
        "nodes",
        "devices",
        "global_batch",
        "step_time",
        "samples_per_s",
        "efficiency",
        "gain",
        "breakdown",
        "kernels",
        "reason",
        "split_layers",
    }
    assert [point["devices"] for point in found["points"]] == [8, 16]


def test_layers_are_split_when_asked():
    done = run("alexnet", "--cluster", "dgx-1-v100:1..1", "--split-layers", "--json")
    point = json.loads(done.stdout)["points"][0]
    assert point["split_layers"] >= point["samples_per_s"]


def test_fusion_and_algorithm_of_gradients():
    rates = []
    for bucket, algorithm in (("0B", "ring"), ("4MB", "hierarchical")):
        arguments = ("--cluster", "p40-roce100:128..128", "--precision", "fp16-storage", "--json")
        done = run("resnet50", *arguments, "--bucket", bucket, "--gradient-algorithm", algorithm)
        assert done.exit_code == 0, done.output
        rates.append(json.loads(done.stdout)["points"][0]["samples_per_s"])
    assert rates[0] < rates[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet50", "--cluster", "dgx-1-v100:1"), "expected NODE:FIRST..LAST"),
        (("resnet50", "--cluster", "dgx-1-v100:4..1"), "expected a range"),
        (("resnet5", "--cluster", "dgx-1-v100:1..2"), "did you mean"),
        (("resnet50", "--cluster", "dgx-1-v10:1..2"), "did you mean"),
        (("resnet50", "--cluster", "dgx-1-v100:1..2", "--bucket", "4"), "--bucket: '4' has no unit"),
        (
            ("resnet50", "--cluster", "dgx-1-v100:1..2", "--bucket", "-4MB"),
            "--bucket: found '-4MB'; expected at least 0 B",
        ),
        (("resnet50", "--cluster", "dgx-1-v100:1..2", "--mode", "wide"), "wide"),
        (("gpt3-1.3b", "--cluster", "dgx-a100:1..1", "--split-layers"), "per-layer splits need images"),
    ],
)
def test_bad_input_ends_with_status_2_and_one_message(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_points_that_cannot_run_are_null_and_without_any_other_no_answer(tmp_path):
    question = ("lenet5", "--cluster", "dgx-1-v100:1..2", "--global-batch", "3")
    done = run(*question, "--json", "--report", str(tmp_path))
    assert done.exit_code == 1, done.output
    for point in json.loads(done.stdout)["points"]:
        assert [point[name] for name in ("step_time", "samples_per_s", "efficiency", "gain")] == [None] * 4
        assert "fewer samples than devices" in point["reason"]
    assert "fewer samples than devices" in (tmp_path / "scale.html").read_text()
    told = run(*question)
    assert told.exit_code == 1
    assert "No count can train it by data parallelism: global batch 6 on 16 devices" in told.stdout


def test_a_point_after_one_that_cannot_run_is_the_first_of_the_curve():
    done = run("lenet5", "--cluster", "dgx-1-v100:5..6", "--mode", "strong", "--global-batch", "48", "--json")
    assert done.exit_code == 0
    first, second = json.loads(done.stdout)["points"]
    assert (first["efficiency"], second["efficiency"]) == (None, 1.0)


def test_what_does_not_fit_says_so_and_exits_with_1():
    done = run("gpt3-175b", "--cluster", "dgx-1-v100:1..2", "--global-batch", "16")
    assert done.exit_code == 1
    assert done.stdout.count("does not fit in memory of a device: needs") == 3


def test_a_batch_that_grows_too_large_is_refused_before_any_point_runs():
    done = run("gpt3-1.3b", "--cluster", "dgx-a100:1..2", "--global-batch", "99999992")
    assert done.exit_code == 2
    assert "global batch: found 199,999,984; expected at most 100,000,000" in done.stderr


def test_a_step_of_too_many_passes_is_a_point_that_cannot_run():
    arguments = ("--cluster", "dgx-h100:1..1", "--global-batch", "32000000", "--json")
    done = run("gpt3-6.7b", *arguments)
    assert done.exit_code == 1
    (point,) = json.loads(done.stdout)["points"]
    assert point["step_time"] is None
    assert point["reason"].startswith("a step of 8,000,000 passes")
