"""`import simdl`: the calls, what they refuse, and results that say what the commands say."""

import inspect
import json
import subprocess
import sys
import tomllib
from dataclasses import FrozenInstanceError, fields

import pytest
from click.testing import CliRunner
from project import ROOT, load_command

import simdl
from planner.console.output import plain_json

MODEL, CLUSTER = "gpt2", "dgx-a100:1"
STRATEGY = {field.name for field in fields(simdl.Strategy)} - {"stages", "split_degree", "splits"}
COMMON = ("global_batch", "seq_len", "precision", "optimizer", "stack")


@pytest.fixture(scope="module")
def plans():
    return simdl.plan(MODEL, CLUSTER, top=2)


@pytest.fixture(scope="module")
def step():
    return simdl.simulate(MODEL, CLUSTER, dp=8, micro_batch=4, zero=1)


@pytest.fixture(scope="module")
def times():
    return simdl.collectives("dgx-a100:2", size="1MiB..4MiB", algorithm="all")


@pytest.fixture(scope="module")
def curve():
    return simdl.scale("resnet50", "dgx-1-v100:1..2")


@pytest.fixture(scope="module")
def longer(front, kept):
    return front, kept


@pytest.fixture(scope="module")
def results(plans, step, times, curve, longer):
    return (
        plans,
        plans[0],
        step,
        times,
        curve,
        simdl.diff(step, plans),
        step.explain(),
        step.export("deepspeed"),
        *longer,
    )


@pytest.fixture(scope="module")
def front():
    return simdl.memory_front("lenet5", "dgx-1-v100:1", global_batch=64, points=2)


@pytest.fixture(scope="module")
def kept():
    return simdl.goodput("lenet5", "dgx-1-v100:1", {"dp": 8}, device_mtbf="1y", horizon="20d")


def printed(name, *arguments):
    """The JSON that a command prints."""
    done = CliRunner().invoke(load_command(name), [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


class TestFrontDoor:
    def test_importing_it_imports_next_to_nothing(self):
        script = "import sys, simdl; dir(simdl); print(*{name.partition('.')[0] for name in sys.modules})"
        done = subprocess.run(  # noqa: S603 - our own interpreter
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
        )
        assert not {"numpy", "pandas", "plotly", "simpy", "pulp", "planner", "click"} & {*done.stdout.split()}

    def test_every_name_is_found_documented_and_completed(self):
        assert dir(simdl) == sorted(simdl.__all__)
        for name in simdl.__all__:
            found = getattr(simdl, name)
            assert name.startswith("__") or inspect.getdoc(found), name

    def test_every_function_says_types_arguments_and_errors(self):
        for name in ("plan", "simulate", "collectives", "scale", "diff", "explain", "load_network"):
            function = getattr(simdl, name)
            signature = inspect.signature(function)
            text = inspect.getdoc(function)
            for argument in signature.parameters.values():
                assert argument.annotation is not inspect.Parameter.empty, (name, argument)
                assert f"    {argument.name}: " in text, (name, argument.name)
            assert signature.return_annotation is not inspect.Signature.empty
            assert all(part in text for part in ("Args:", "Returns:", "Raises:", "Example:")), name

    def test_simulate_takes_every_field_of_a_strategy(self):
        taken = inspect.signature(simdl.simulate).parameters
        assert {field.name for field in fields(simdl.Strategy)} <= set(taken)

    @pytest.mark.parametrize(
        ("name", "own"),
        [
            ("plan", {"emit", "out", "why"}),
            ("simulate", {"trace", "format", "from", "mode", "generate"}),
            ("scale", set()),
            ("collectives", set()),
            ("consistency", {"trace", *STRATEGY}),
        ],
    )
    def test_a_call_takes_every_option_of_its_command_but_those_of_its_output(self, name, own):
        options = {max(each.opts, key=len).lstrip("-") for each in load_command(name).params}
        asked = {each.replace("-", "_") for each in options} - {"force", "json", "report", "max_input"}
        assert asked - set(inspect.signature(getattr(simdl, name)).parameters) == own

    def test_a_name_that_there_is_not_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match=r"no attribute 'plam'; it has .*plan"):
            simdl.plam  # noqa: B018

    def test_the_version_is_that_of_the_project(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "simdl.__version__"}
        assert simdl.__version__.count(".") == 2


class TestResults:
    def test_reprs_are_short_and_name_what_was_asked(self, results):
        for result in results:
            text = repr(result)
            assert len(text) <= 300
            assert "\n" not in text
            assert text.startswith(f"<{type(result).__name__}: ")
        assert MODEL in repr(results[0])
        assert CLUSTER in repr(results[0])

    def test_what_results_hold_shows_itself_in_a_line_too(self, plans, step):
        network, cluster = simdl.load_network("resnet50"), simdl.load_cluster("dgx-h100:2")
        simulation, level = step.simulation, cluster.levels[0]
        held = (plans.result, plans.result.plans[0], plans.question, step.report, simulation)
        held += (
            simulation.timeline,
            simulation.step,
            network,
            network.blocks[0],
            network.blocks[0].layers[0],
        )
        held += (
            cluster,
            cluster.node,
            cluster.device,
            level.link,
            step.question.stack,
            step.question.workload,
        )
        assert [thing for thing in held if len(repr(thing)) > 300 or "\n" in repr(thing)] == []
        assert repr(network) == "<Network resnet50: 18 blocks, 25,557,032 parameters>"
        assert repr(cluster) == "<Cluster dgx-h100:2: 16 devices>"

    def test_a_strategy_shows_what_is_not_usual_and_can_be_typed_again(self):
        strategy = simdl.Strategy(dp=4, recompute="full", stages=(3, 5), pp=2)
        assert repr(strategy) == "Strategy(dp=4, pp=2, recompute='full', stages=(3, 5))"
        assert eval(repr(strategy), {"Strategy": simdl.Strategy}) == strategy  # noqa: S307
        assert repr(simdl.Strategy()) == "Strategy()"

    def test_results_are_frozen(self, results):
        for result in results:
            name = fields(result)[0].name
            with pytest.raises(FrozenInstanceError):
                setattr(result, name, None)

    def test_all_print_as_tables_and_show_as_html(self, results):
        for result in results:
            assert str(result)
            html = result._repr_html_()
            assert html.count("<table>") == html.count("</table>") == 1
            assert html.count("<tr>") == html.count("</tr>") > 1

    def test_html_escapes_what_is_in_names(self, times):
        data = {**times.to_dict(), "cluster": "<script>"}
        assert "<script>" not in simdl.Collectives(answer=data)._repr_html_()

    def test_frames_hold_the_numbers_of_the_json(self, plans, step, times, curve):
        assert plans.frame().step_time.tolist() == [plan["step_time"] for plan in plans.to_dict()["plans"]]
        assert plans.frame().index.tolist() == [1, 2]
        assert step.frame().seconds.sum() == pytest.approx(step.step_time)
        assert times.frame().to_dict("records") == times.to_dict()["rows"]
        assert curve.frame().devices.tolist() == [8, 16]
        assert simdl.diff(step, plans).frame().loc["forward", "A"] == step.breakdown["forward"]
        assert step.explain().frame().seconds.sum() == pytest.approx(step.step_time)

    def test_every_figure_that_is_named_can_be_drawn(self, results):
        for result in results:
            for name in result.figures:
                assert type(result.figure(name)).__name__ == "Figure"
        assert results[0].figures == ("time", "memory", "space", "devices")

    def test_a_figure_that_there_is_not_names_those_there_are(self, plans, step):
        with pytest.raises(simdl.SimdlError, match="found 'tme'; expected one of time, memory"):
            plans.figure("tme")
        with pytest.raises(simdl.SimdlError, match="LaunchFiles has none"):
            step.export("deepspeed").figure()

    def test_ranked_plans_are_a_sequence(self, plans):
        assert len(plans) == 2
        assert [each.step_time for each in plans] == sorted(each.step_time for each in plans)
        assert plans[0] is plans.best
        assert plans.certified


class TestAsTheCommandsSay:
    def test_plan(self, plans):
        found, told = json.loads(plans.to_json()), printed("plan", MODEL, "--cluster", CLUSTER, "--top", "2")
        assert found.keys() == told.keys()
        assert found | {"wall_time": 0} == told | {"wall_time": 0}

    def test_horizons_and_epochs(self):
        told = printed("plan", MODEL, "--cluster", CLUSTER, "--top", "1", "--horizon", "1d", "--price", "2.5")
        found = simdl.plan(MODEL, CLUSTER, top=1, horizon="1d", price=2.5).to_dict()
        assert found | {"wall_time": 0} == told | {"wall_time": 0}
        flags = ("--micro-batch", "64", "--epochs", "9", "--dataset", "imagenet")
        told = printed("simulate", "resnet50", "--cluster", "dgx-1-v100:1", *flags)
        step = simdl.simulate("resnet50", "dgx-1-v100:1", micro_batch=64, epochs=9, dataset="imagenet")
        assert step.to_dict() == told
        flags = ("--micro-batch", "64", "--input-pipeline", "pytorch-workers:8")
        told = printed("simulate", "resnet50", "--cluster", "dgx-1-v100:1", *flags)
        step = simdl.simulate("resnet50", "dgx-1-v100:1", micro_batch=64, input_pipeline="pytorch-workers:8")
        assert step.to_dict() == told

    def test_simulate(self, step):
        flags = ("--dp", "8", "--micro-batch", "4", "--zero", "1")
        assert step.to_dict() == printed("simulate", MODEL, "--cluster", CLUSTER, *flags)

    def test_collectives(self, times):
        told = printed("collectives", "--cluster", "dgx-a100:2", "--size", "1MiB..4MiB", "--algorithm", "all")
        assert times.to_dict() == told

    def test_scale(self, curve):
        assert curve.to_dict() == printed("scale", "resnet50", "--cluster", "dgx-1-v100:1..2")

    def test_files_of_results_are_read_by_commands_and_calls(self, plans, step, tmp_path):
        one, two = tmp_path / "plans.json", tmp_path / "step.json"
        one.write_text(plans.to_json(), encoding="utf-8")
        two.write_text(step.to_json(), encoding="utf-8")
        assert simdl.diff(one, two).to_dict() == printed("diff", str(one), str(two))
        assert simdl.diff(plans, step).to_dict() == printed("diff", str(one), str(two))
        assert plans.explain(rank=2).to_dict() == printed("explain", str(one), "--plan", "2")
        assert simdl.explain(str(two)).to_dict() == step.explain().to_dict()
        launch = plans.export("megatron", rank=2)
        assert launch.to_dict() == printed("export", str(one), "--format", "megatron", "--rank", "2")
        assert launch.write(tmp_path / "run")[0].read_text(encoding="utf-8") == str(launch)

    def test_a_strategy_is_taken_in_every_form(self, step, tmp_path):
        values = {"dp": 8, "micro_batch": 4, "zero": 1}
        path = tmp_path / "strategy.toml"
        path.write_text("dp = 8\nmicro_batch = 4\nzero = 1\n", encoding="utf-8")
        for form in (values, simdl.Strategy(**values), path, str(path)):
            assert simdl.simulate(MODEL, CLUSTER, form).step_time == step.step_time

    def test_networks_and_clusters_are_taken_as_they_are(self, step):
        network, cluster = simdl.load_network(MODEL), simdl.load_cluster(CLUSTER)
        found = simdl.simulate(network, cluster, dp=8, micro_batch=4, zero=1)
        assert found.step_time == step.step_time
        assert any(sentence.startswith("network gpt2 (given as an object") for sentence in found.assumptions)
        assert simdl.load_network(MODEL, seq_len=128).tokens == 128

    def test_keys_of_an_answer_are_those_of_plain_json(self, results):
        for result in results:
            assert json.loads(result.to_json()) == result.to_dict() == plain_json(result._data)


class TestMemoryFront:
    def test_says_what_the_command_says(self, front):
        said = printed(
            "memory", "lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64", "--points", "2"
        )
        assert front.to_dict() == said
        assert front.headline == said["headline"]
        assert front.frame().peak_memory.tolist() == [point["peak_memory"] for point in said["points"]]
        assert front.figure("front").data
        assert "without savers" not in str(front)
        assert "allowed: " in front.explain()[-1]

    def test_refuses_in_words(self, front):
        with pytest.raises(simdl.SimdlError, match="a front of 2 plans; expected one of them"):
            front.export("megatron")
        for given, told in (
            ({"limits": ["12 apples"]}, "limits: '12 apples' is not of dimension bytes"),
            ({"limits": [True]}, "limits: found True"),
            ({"limits": [float("nan")]}, "limits: found nan"),
            ({"allow": ["magic"]}, "allow: found 'magic'"),
            ({"points": 51}, "points: found 51; expected 2 to 50"),
            ({"points": 1}, "points: found 1"),
            ({"strategy": 3}, "strategy: found 3"),
            ({"limits": ["1KiB"]}, "1.0 KiB"),
        ):
            with pytest.raises(simdl.SimdlError, match=told):
                simdl.memory_front("lenet5", "dgx-1-v100:1", global_batch=64, **given)


class TestConsistency:
    def test_says_what_the_command_says(self):
        done = simdl.consistency("lenet5", "dgx-1-v100:1", "async", servers=2, slowdown="rare:2%,3", steps=4)
        options = ("--scheme", "async", "--servers", "2", "--slowdown", "rare:2%,3", "--steps", "4")
        said = printed("consistency", "lenet5", "--cluster", "dgx-1-v100:1", *options)
        assert done.to_dict() == said
        assert done.frame().step_time.tolist() == [said["step_time"], said["synchronous"]["step_time"]]
        assert done.figure("workers").data
        assert "2 servers" in str(done)
        assert done.explain()[-1].startswith("throughput only")
        with pytest.raises(simdl.SimdlError, match=r"a training, which is no step; expected simdl\.simulate"):
            done.export("megatron")


def test_what_is_no_step_is_not_launched(times):
    with pytest.raises(simdl.SimdlError, match="export 'megatron': found no step of one strategy"):
        times.export("megatron")


class TestGoodput:
    def test_says_what_the_command_says(self, kept):
        options = ("--dp", "8", "--device-mtbf", "1y", "--horizon", "20d")
        said = printed("goodput", "lenet5", "--cluster", "dgx-1-v100:1", *options)
        assert kept.to_dict() == said
        assert kept.goodput == said["goodput"]
        assert kept.frame().goodput.tolist() == [each["goodput"] for each in said["curve"]]
        assert len(kept.explain()) == 4

    def test_refuses_in_words(self, kept):
        with pytest.raises(simdl.SimdlError, match=r"a goodput, which is no step; expected simdl\.simulate"):
            kept.export("megatron")
        for given, told in (
            ({"interval": "0s"}, "interval: found '0s'; expected above 0"),
            ({"horizon": None}, "horizon: found None"),
            ({"device_mtbf": 3}, "device_mtbf: found 3"),
            ({"spare_nodes": -1}, "spare_nodes: found -1"),
            ({"strategy": 3}, "strategy: found 3"),
        ):
            with pytest.raises(simdl.SimdlError, match=told):
                simdl.goodput("lenet5", "dgx-1-v100:1", **given)


def test_a_strategy_is_an_object_a_mapping_or_a_file_wherever_one_is_asked_for(tmp_path):
    path = tmp_path / "strategy.toml"
    path.write_text("dp = 8\nmicro_batch = 8\n", encoding="utf-8")
    given = simdl.Strategy(dp=8, micro_batch=8), {"dp": 8, "micro_batch": 8}, path
    question = {"model": "lenet5", "cluster": "dgx-1-v100:1", "global_batch": 64}
    for ask in (simdl.simulate, simdl.goodput, simdl.memory_front, simdl.consistency):
        first, *others = [ask(**question, strategy=strategy).headline for strategy in given]
        assert others == [first, first]


def test_a_step_that_does_not_fit_carries_its_answer():
    with pytest.raises(simdl.DoesNotFitError, match=r"stage 0 is .* short") as refused:
        simdl.simulate("gpt3-13b", CLUSTER, {"dp": 8}, global_batch=8)
    assert not refused.value.step.feasible
    assert refused.value.step.to_dict()["reasons"]


def test_a_plan_of_nothing_says_why_and_has_no_best():
    plans = simdl.plan("gpt3-175b", "dgx-a100:1", global_batch=8)
    assert len(plans) == 0
    assert "no plan fits: no candidate fits; expected more devices" in repr(plans)
    assert plans.figures == ()
    for call in (lambda: plans.best, lambda: plans.export("megatron"), plans.explain):
        with pytest.raises(simdl.InfeasibleError, match="no candidate fits"):
            call()
    assert plans.frame().empty
    with pytest.raises(simdl.SimdlError, match="plans: empty; expected a plan that fits"):
        simdl.explain(plans)


class TestSweep:
    def test_rows_of_a_mapping_and_of_a_file_are_those_of_the_command(self, tmp_path):
        text = 'models = ["lenet5"]\nclusters = ["dgx-a100:1"]\nbatches = [64, 1]\n'
        (tmp_path / "grid.toml").write_text(text, encoding="utf-8")
        asked = {"models": ["lenet5"], "clusters": ["dgx-a100:1"], "batches": [64, 1]}
        found = simdl.sweep(asked, tmp_path / "rows", workers=1)
        assert found.frame().shape[0] == len(found.rows) == 2
        assert found.headline.startswith("2 questions: ")
        again = simdl.sweep(tmp_path / "grid.toml", tmp_path / "rows")
        assert again.answer.resumed == 2
        told = printed("sweep", str(tmp_path / "grid.toml"), "--out", str(tmp_path / "rows"))
        assert again.to_dict() | {"wall_time": 0} == told | {"wall_time": 0}

    def test_what_is_no_grid_is_refused(self, tmp_path):
        for grid, message in (
            (3, r"grid: found 3 \(int\); expected a TOML file"),
            ({"models": ["lenet5"]}, "grid: clusters: missing; expected a list"),
            (tmp_path / "none.toml", "none.toml: .*No such file"),
        ):
            with pytest.raises(simdl.SimdlError, match=message):
                simdl.sweep(grid, tmp_path / "rows")
