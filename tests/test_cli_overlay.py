"""`simdl overlay` from the outside: a recorded trace of a CPU next to a simulated step, and its page."""

import json
from itertools import pairwise

import pytest
from click.testing import CliRunner
from figures import in_base_units
from kineto_traces import RECORDED, gpu_trace

from planner.commands.overlay import overlay
from planner.commands.simulate import simulate
from planner.console.format import format_seconds
from planner.kineto.measured_steps import measure_trace
from planner.overlays.overlay import overlay_trace, simulated_categories, typical_step
from planner.overlays.simulated_activities import simulated_activities
from planner.pages.figures.palette import KINDS
from planner.pages.page import Table
from planner.pages.sections.overlay import overlay_page
from planner.questions.answer_again import ask_again
from planner.questions.answer_file import load_answer
from simdl.report.operator_times import PHASES

LENET = ("lenet5", "--cluster", "cpu-node:1", "--precision", "fp32", "--global-batch", "256")
GPT2 = ("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32", "--tp", "2", "--pp", "2", "--zero", "1")


def run(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def stored(path, *arguments):
    result = run(simulate, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    path.write_text(result.stdout, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def lenet(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("answer") / "lenet.json", *LENET, "--micro-batch", "64")


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("answer") / "gpt2.json", *GPT2)


@pytest.fixture(scope="module")
def printed(lenet):
    result = run(overlay, RECORDED, lenet, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_rank_without_a_page_is_refused(lenet):
    result = run(overlay, RECORDED, lenet, "--rank", 5)
    assert result.exit_code == 2
    assert "--rank 5: found without --report; expected a page that shows it" in result.stderr


def test_both_columns_add_up_to_the_step(printed, lenet):
    for column, shares in (("measured", "measured_share"), ("simulated", "simulated_share")):
        categories = printed["categories"]
        assert sum(found[column] for found in categories) == pytest.approx(printed[column])
        assert sum(found[shares] for found in categories) == pytest.approx(1.0)
    assert printed["simulated"] == json.loads(lenet.read_text())["step_time"]
    times = [step["step_time"] for step in printed["steps"]]
    assert printed["measured"] == pytest.approx(sum(times) / len(times))
    assert (printed["device"], printed["left_out"]) == ("cpu", [2])


def test_a_convolutional_network_spends_time_on_convolutions_on_both_sides(printed):
    found = {category["name"]: category for category in printed["categories"]}
    for name in ("convolution", "matmul", "pooling", "elementwise", "optimizer"):
        assert found[name]["measured"] > 0
        assert found[name]["simulated"] > 0


def test_the_table_prints_the_json(printed, lenet):
    result = run(overlay, RECORDED, lenet)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith(
        f"A step was measured at {format_seconds(printed['measured'])} on the mean of 3 steps ("
    )
    assert "step 2 left out as warm-up; it is simulated" in lines[0]
    for line, found in zip(lines[3:-1], printed["categories"], strict=True):
        assert line.startswith(found["name"])
        assert f" {format_seconds(found['measured'])} " in line
        assert f" {format_seconds(found['simulated'])} " in line
    assert lines[-1].startswith("step time")
    assert "###" in result.stdout


def test_rounding_is_no_category(printed):
    for category in printed["categories"]:
        for side in ("measured", "simulated"):
            assert category[side] == 0 or category[side] > 1e-9 * printed[side]
    assert {category["name"] for category in printed["categories"]} >= {"convolution", "pooling"}


def test_simulated_categories_add_up_for_every_kind_of_step(gpt2, lenet):
    for path in (gpt2, lenet):
        answer = load_answer(path)
        categories = simulated_categories(answer)
        assert sum(categories.values()) == pytest.approx(answer.step_time)
        assert set(categories) <= set(KINDS)


def test_a_trace_of_a_gpu_is_put_next_to_a_step(tmp_path, gpt2):
    trace = tmp_path / "gpu.json"
    trace.write_text(json.dumps(gpu_trace()))
    found = json.loads(run(overlay, trace, gpt2, "--json").stdout)
    assert found["device"] == "gpu"
    names = {category["name"]: category["measured"] for category in found["categories"]}
    assert names["communication"] == pytest.approx(20e-6)
    assert names["attention"] == 0.0


@pytest.fixture(scope="module")
def parts(lenet):
    answer, trace = load_answer(lenet), measure_trace(RECORDED)
    result = overlay_trace(trace, answer)
    data = {"headline": "", "steps": [{"number": s.number, "step_time": s.seconds} for s in trace.steps]}
    return overlay_page(answer, trace, result, data, rank=0), trace, result, answer


class TestPage:
    def test_bars_and_cells_are_the_numbers(self, parts):
        page, _, result, _ = parts
        bars, table = page.sections[0].body, page.sections[1].body
        assert isinstance(table, Table)
        for bar, row, category in zip(bars.data, table.rows, result.categories, strict=False):
            assert bar.name == row[0].text == category.name
            assert [row[1].value, row[3].value] == [category.measured, category.simulated]
            assert in_base_units(bars, bar, "x") == pytest.approx([category.measured, category.simulated])
        assert table.rows[-1][1].value == result.measured

    def test_lanes_hold_what_the_trace_shows(self, parts):
        page, trace, _, _ = parts
        step = typical_step(trace)
        drawn = [
            bar
            for bar in page.sections[2].body.data
            for label in bar.y
            if label.startswith("measured, thread")
        ]
        assert {bar.name for bar in drawn} == {kind for kind in step.kinds if kind != "idle"}

    def test_simulated_lanes_take_as_long_as_the_kernels(self, parts):
        *_, answer = parts
        again = ask_again(answer)
        activities = simulated_activities(again.step, again.timeline, rank=0)
        compute = [item for item in activities if item.lane[1] == "compute"]
        assert all(a.end <= b.start + 1e-12 for a, b in pairwise(compute))
        kernels = sum(item.end - item.start for item in compute if item.kind != "optimizer")
        breakdown = answer.breakdown
        slowed = breakdown.get("contention", 0.0)
        assert kernels == pytest.approx(sum(breakdown[p] for p in PHASES if p in breakdown) + slowed)

    def test_every_rank_of_a_pipeline_can_be_shown(self, tmp_path, gpt2):
        again = ask_again(load_answer(gpt2))
        for rank in (0, 1):
            activities = simulated_activities(again.step, again.timeline, rank=rank)
            assert max(item.end for item in activities) <= again.timeline.step_time * (1 + 1e-9)
            assert {"matmul", "communication", "optimizer"} <= {item.kind for item in activities}
        result = run(overlay, RECORDED, gpt2, "--rank", 2, "--report", tmp_path)
        assert result.exit_code == 2
        assert "rank 2: expected 0 to 1" in result.stderr

    def test_the_command_writes_it_once(self, tmp_path, lenet):
        arguments = (RECORDED, lenet, "--report", tmp_path, "--json")
        result = run(overlay, *arguments)
        assert result.exit_code == 0, result.stderr
        page = (tmp_path / "overlay.html").read_text(encoding="utf-8")
        assert json.loads(page.partition('id="data">')[2].partition("</script>")[0]) == json.loads(
            result.stdout
        )
        second = run(overlay, *arguments)
        assert second.exit_code == 2
        assert "expected a new report, or --force to replace it" in second.stderr

    def test_an_answer_of_other_profiles_is_refused(self, tmp_path, lenet):
        data = json.loads(lenet.read_text())
        for key in ("breakdown", "critical_path", "kernels"):
            data[key] = {name: 2 * seconds for name, seconds in data[key].items()}
        for operator in data["critical_operators"]:
            operator["seconds"] *= 2
        data["step_time"] *= 2
        path = tmp_path / "old.json"
        path.write_text(json.dumps(data))
        result = run(overlay, RECORDED, path, "--report", tmp_path)
        assert result.exit_code == 2
        assert "but its question now gives" in result.stderr


def test_a_broken_trace_and_a_foreign_plan_get_one_message(tmp_path, lenet):
    broken = tmp_path / "trace.json"
    broken.write_text(RECORDED.read_text()[:5000])
    for arguments, message in (((broken, lenet), "not JSON, or cut off"), ((RECORDED, RECORDED), "version")):
        result = run(overlay, *arguments)
        assert result.exit_code == 2
        assert message in result.stderr
        assert not result.stdout
