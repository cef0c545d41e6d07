"""`simdl explain` and `simdl diff` from the outside: on real answers, and on broken or foreign files."""

import json
from dataclasses import replace

import pytest
from builders import build_cluster, build_stack, build_workload
from click.testing import CliRunner

from planner.commands.diff import diff
from planner.commands.explain import explain
from planner.commands.plan import plan
from planner.commands.simulate import simulate
from planner.console.format import format_seconds
from planner.questions.answer_file import load_answer
from planner.reasons.limits_of_step import limits_of_step
from simdl.engine.run import run as run_program
from simdl.program.action import Cause, Work
from simdl.report.critical_tasks import critical_actions, total_parts
from simdl.step.simulate import simulate as simulate_step
from simdl.step.strategy import Strategy

ASKED = {
    "model": "gpt2",
    "cluster": "dgx-a100:1",
    "global_batch": 32,
    "seq_len": None,
    "precision": "bf16",
    "optimizer": "adam",
    "stack": "megatron-2021",
}
GPT2 = ("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32")


def run(command, *arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def stored(directory, name, command, *arguments):
    result = run(command, *GPT2, *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    path = directory / name
    path.write_text(result.stdout, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("answers")


@pytest.fixture(scope="module")
def planned(folder):
    return stored(folder, "plan.json", plan, "--top", "2")


@pytest.fixture(scope="module")
def simulated(folder):
    return stored(folder, "simulate.json", simulate, "--tp", "2", "--pp", "4")


def without(action, cause):
    """The action without the seconds of one cause."""
    if isinstance(action, Work):
        return replace(action, parts=tuple(part for part in action.parts if part[0] is not cause))
    return replace(action, duration=0.0, loads=()) if action.cause is cause else action


class TestExplain:
    def test_limits_add_up_to_the_step(self, planned, simulated):
        for path in (planned, simulated):
            answer = load_answer(path)
            limits = limits_of_step(answer)
            assert sum(limit.seconds for limit in limits) == pytest.approx(answer.step_time)
            assert sum(limit.critical for limit in limits) == pytest.approx(answer.step_time)
            assert limits[0].seconds == max(limit.seconds for limit in limits)

    def test_a_bubble_gains_what_it_takes_and_is_not_on_the_critical_path(self, simulated):
        bubble = next(limit for limit in limits_of_step(load_answer(simulated)) if limit.name == "bubble")
        assert bubble.critical == 0.0
        assert bubble.gain == bubble.seconds > 0

    def test_no_removal_gains_more_than_it_says(self):
        """Run again without the seconds of one cause, the step is no shorter than promised."""
        strategy = Strategy(dp=2, pp=4)
        timeline = simulate_step(build_workload(), build_cluster(), strategy, stack=build_stack()).timeline
        causes = total_parts(critical_actions(timeline))
        assert Cause.CONTENTION not in causes
        for removed, most in causes.items():
            actions = tuple(without(action, removed) for action in timeline.program.actions)
            faster = run_program(replace(timeline.program, actions=actions))
            assert timeline.step_time - faster.step_time <= most * (1 + 1e-9)

    def test_table_names_the_bound_and_the_critical_path(self, planned):
        answer = json.loads(planned.read_text())
        result = run(explain, planned)
        assert result.exit_code == 0, result.stderr
        first = result.stdout.splitlines()[0]
        seconds = format_seconds(answer["plans"][0]["step_time"])
        assert first.startswith(f"A step of gpt2 on dgx-a100:1 takes {seconds} and is bound by")
        for text in ("gain without it, at most", "critical path", "why: ", "launch cost", "bubble"):
            assert text in result.stdout

    def test_operators_of_the_critical_path_are_named_longest_first(self, simulated):
        lines = run(explain, simulated, "--top", "4").stdout.partition("critical path by operator\n")[2]
        rows = lines.splitlines()[1:6]
        operators = json.loads(simulated.read_text())["critical_operators"]
        for row, operator in zip(rows[:4], operators[:4], strict=True):
            assert row.startswith(operator["name"])
            assert f" {format_seconds(operator['seconds'])} " in row
        rest = sum(operator["seconds"] for operator in operators[4:])
        assert rows[4].startswith("other operators")
        assert format_seconds(rest) in rows[4]

    def test_collectives_are_among_the_operators(self, simulated):
        names = {o.name: o.kind for o in load_answer(simulated).critical_operators}
        assert names["decoder/projection/all_reduce"] == "communication"
        assert names["send activation"] == "communication"

    def test_a_length_of_the_table_is_refused_where_there_is_none(self, simulated):
        result = run(explain, simulated, "--top", "4", "--json")
        assert result.exit_code == 2
        assert "--top 4: found with --json, which holds every operator; expected one or" in result.stderr
        assert not result.stdout

    def test_json_agrees_with_the_file(self, planned):
        found = json.loads(run(explain, planned, "--plan", "2", "--json").stdout)
        second = json.loads(planned.read_text())["plans"][1]
        assert found["step_time"] == second["step_time"]
        assert found["critical_path"] == second["critical_path"]
        assert found["critical_operators"] == second["critical_operators"]
        assert found["bound_by"] == found["limits"][0]["name"]


class TestDiff:
    def test_it_names_the_faster_the_causes_and_the_choices(self, planned, simulated):
        result = run(diff, planned, simulated)
        assert result.exit_code == 0, result.stderr
        lines = result.stdout.splitlines()
        assert lines[0].startswith("A is ")
        assert "times as fast as B" in lines[0]
        assert lines[1].startswith("B - A: +")
        assert lines[2].startswith("strategies of A and B: ")
        assert "tensor parallelism 1 and 2" in lines[2]

    def test_the_other_way_round_it_says_the_same_with_other_signs(self, planned, simulated):
        first = run(diff, planned, simulated).stdout.splitlines()
        second = run(diff, simulated, planned).stdout.splitlines()
        assert second[0].startswith("B is ")
        assert first[0].partition(" as fast")[0][5:] == second[0].partition(" as fast")[0][5:]
        turned = str.maketrans("+-", "-+")
        differences = [lines[1].removeprefix("B - A: ") for lines in (first, second)]
        assert differences[1] == differences[0].translate(turned)

    def test_json_holds_the_seconds_of_both(self, planned, simulated):
        found = json.loads(run(diff, planned, simulated, "--json").stdout)
        one, two = load_answer(planned), load_answer(simulated)
        assert found["step_time"] == [one.step_time, two.step_time]
        for cause, (a, b) in found["breakdown"].items():
            assert (a, b) == (one.breakdown.get(cause, 0.0), two.breakdown.get(cause, 0.0))
        assert found["speedup"] == pytest.approx(two.step_time / one.step_time)

    def test_the_same_answer_twice_is_equally_fast(self, planned):
        assert run(diff, planned, planned).stdout.startswith("A and B are equally fast")

    def test_different_questions_are_named(self, folder, planned):
        path = folder / "larger.json"
        arguments = ("gpt2", "--cluster", "dgx-a100:2", "--global-batch", "64", "--stack", "megatron-2023")
        path.write_text(run(simulate, *arguments, "--json").stdout)
        text = run(diff, planned, path).stdout
        assert "different cluster: dgx-a100:1 and dgx-a100:2" in text
        assert "different global batch: 32 and 64 samples a step" in text
        found = json.loads(run(diff, planned, path, "--json").stdout)
        assert found["question"] == {"cluster": ["dgx-a100:1", "dgx-a100:2"], "global_batch": [32, 64]}

    def test_models_of_one_paper_and_other_lengths_are_told_apart(self, tmp_path):
        paths = {}
        for model, *flags in (("gpt3-125m",), ("gpt3-350m", "--seq-len", "512", "--precision", "fp16")):
            asked = ("--cluster", "dgx-a100:1", "--global-batch", 32, "--stack", "megatron-2022", "--json")
            done = run(simulate, model, *asked, *flags)
            assert done.exit_code == 0, done.stderr
            paths[model] = tmp_path / f"{model}.json"
            paths[model].write_text(done.stdout)
        lines = run(diff, *paths.values()).stdout.splitlines()
        assert lines[0].startswith("By tokens, A is ")
        assert lines[1].startswith("By samples, B is ")
        assert lines[4:7] == [
            "different model: gpt3-125m and gpt3-350m",
            "different precision: bf16 and fp16",
            "different sequence length: 2048 and 512 tokens",
        ]


class TestBrokenFiles:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "not JSON"),
            ("[1]", "found [1]; expected the output of `simdl plan --json`"),
            ("{}", "version: found nothing; expected 2, the output of `simdl plan --json`"),
            ('{"version": 1, "plans": []}', "version: found 1; expected 2"),
            ('{"traceEvents": []}', "version: found nothing"),
            ('{"version": 2, "plans": []}', "plans: empty"),
            ('{"version": 2, "plans": 3}', "plans: found 3"),
            ('{"version": 2, "plans": [3]}', "plans[0]: found 3"),
            ('{"version": 2, "step_time": "fast"}', 'step_time: found "fast"'),
            (
                '{"version": 2, "step_time": 0, "samples_per_s": 1}',
                "step_time: found 0; expected a number above",
            ),
            (
                '{"version": 2, "step_time": 1, "samples_per_s": 1}',
                "tokens_per_s: found nothing",
            ),
            ('{"version": 2, "step_time": NaN}', "step_time: found NaN"),
            ('{"version": 2, "step_time": 1' + 400 * "0" + "}", "step_time: found 1000"),
            ('{"version": 2, "step_time": 1' + 5000 * "0" + "}", "not JSON (Exceeds the limit"),
            ('{"version": 2, "step_time": ' + 9000 * "[", "not JSON ("),
        ],
    )
    def test_a_broken_or_foreign_file_gets_one_clear_message(self, tmp_path, text, message):
        path = tmp_path / "answer.json"
        path.write_text(text)
        for result in (run(explain, path), run(diff, path, path)):
            assert result.exit_code == 2
            assert message in result.stderr
            assert "answer.json" in result.stderr
            assert not result.stdout

    @pytest.mark.parametrize(
        ("key", "value", "message"),
        [
            ("critical_path", None, "plans[0].critical_path: found nothing"),
            ("breakdown", {"forward": 1.0}, "plans[0].breakdown: adds up to 1; expected the step time"),
            ("breakdown", {"forward": "x"}, 'plans[0].breakdown.forward: found "x"'),
            ("memory_bound_fraction", 5, "plans[0].memory_bound_fraction: found 5; expected a fraction"),
            ("strategy", 4, "plans[0].strategy: found 4"),
            ("kernels", {"matmul": -1}, "plans[0].kernels.matmul: found -1"),
            ("critical_operators", {}, "plans[0].critical_operators: found {}"),
            ("critical_operators", [], "plans[0].critical_operators: adds up to 0; expected the step time"),
            ("critical_operators", [{"name": "x"}], 'plans[0].critical_operators[0]: found {"name": "x"}'),
        ],
    )
    def test_an_answer_of_another_version_names_the_key(self, tmp_path, planned, key, value, message):
        data = json.loads(planned.read_text())
        data["plans"][0][key] = value
        path = tmp_path / "old.json"
        path.write_text(json.dumps(data))
        result = run(explain, path)
        assert result.exit_code == 2
        assert message in result.stderr

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            (None, "question: found nothing"),
            ([1], "question: found [1]; expected the output of `simdl plan --json`"),
            (
                {},
                "question: missing keys model, cluster, global_batch, seq_len, precision, optimizer, stack;",
            ),
            ({**ASKED, "colour": "red", "size": 1}, "question: unknown keys colour, size; expected the"),
            ({**ASKED, "model": 3}, "question: model: found 3, expected a text; expected the output of"),
            ({**ASKED, "stack": None}, "question: stack: found nothing, expected a text"),
            (
                {**ASKED, "global_batch": "32", "seq_len": 0.5},
                "expected a whole number of at least 1; seq_len: found 0.5, expected a whole number",
            ),
            ({**ASKED, "global_batch": "32"}, 'question: global_batch: found "32", expected a whole'),
            ({**ASKED, "global_batch": True}, "question: global_batch: found true"),
        ],
    )
    def test_a_question_that_cannot_be_asked_again_is_refused(self, tmp_path, planned, value, message):
        data = {**json.loads(planned.read_text()), "question": value}
        path = tmp_path / "odd.json"
        path.write_text(json.dumps(data))
        result = run(explain, path)
        assert result.exit_code == 2
        assert message in result.stderr

    def test_a_plan_that_is_not_there_and_a_missing_file(self, tmp_path, planned):
        assert "plan 3: expected 1 to 2" in run(explain, planned, "--plan", "3").stderr
        assert "No such file or directory" in run(explain, tmp_path / "none.json").stderr
        assert run(explain, tmp_path).exit_code == 2
