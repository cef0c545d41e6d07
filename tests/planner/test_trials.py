"""Trials packed on devices: as short as the shortest of all packings, bounded where those are too many."""

import json
import re
from itertools import combinations, permutations, product
from random import Random

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import planner.trials.answer as module
import planner.trials.search as packings
import simdl
from hardware.profiles import load_cluster
from planner.commands.search import search
from planner.trials.packing import Shelf, Width, device_numbers, makespan, pack
from planner.trials.search import find_packing
from planner.trials.table import device_counts, read_trials
from planner.workers.outcome import Done
from simdl.errors import SimdlError

RELATIVE = 2e-6  # the solver's gap


def shortest(jobs, shelf):
    """The least makespan of all packings: every order, width and node of every job, as early as it fits."""
    return min(
        makespan(pack(order, widths, shelf, nodes=dict(enumerate(nodes))))
        for order in permutations(range(len(jobs)))
        for widths in product(*jobs)
        for nodes in product(*(combinations(range(shelf.nodes), width.nodes) for width in widths))
    )


def drawn(seed, shelf, jobs):
    random = Random(seed)  # noqa: S311 - a fixed sequence
    found = []
    for _ in range(jobs):
        time = random.uniform(1, 10)
        counts = random.sample([count for count in (1, 2, 4) if count <= shelf.devices], 2)
        widths = [Width(count, 1, time / count ** random.uniform(0.5, 1)) for count in counts]
        if shelf.nodes > 1 and random.random() < 0.4:
            widths.append(Width(shelf.devices, shelf.nodes, time / 6))
        found.append(widths)
    return found


@pytest.mark.parametrize(("seed", "shelf", "jobs"), [
    (0, Shelf(1, 2), 4), (1, Shelf(1, 4), 4), (2, Shelf(1, 4), 3), (3, Shelf(2, 2), 3), (4, Shelf(2, 4), 3),
])  # fmt: skip
def test_few_trials_are_packed_as_short_as_the_shortest_of_all_packings(seed, shelf, jobs):
    asked = drawn(seed, shelf, jobs)
    found = find_packing(asked, shelf)
    assert found.makespan == pytest.approx(shortest(asked, shelf), rel=RELATIVE)
    assert found.optimal


@pytest.mark.theory
def test_a_trial_that_scales_perfectly_fills_the_devices():
    jobs = [[Width(count, 1, 8.0 / count) for count in (1, 2, 4)] for _ in range(3)]
    found = find_packing(jobs, Shelf(1, 4))
    assert found.makespan == pytest.approx(3 * 8 / 4)
    assert (found.optimal, found.gap) == (True, 0.0)


@pytest.mark.property
@settings(max_examples=8)
@given(st.integers(0, 10**6), st.integers(9, 11), st.integers(1, 3))
def test_no_device_runs_two_trials_and_no_packing_undercuts_its_bound(seed, jobs, nodes):
    shelf = Shelf(nodes, 4)
    asked = drawn(seed, shelf, jobs)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(packings, "WORK", 10_000)
        found = find_packing(asked, shelf)
    devices = device_numbers(found.placed, shelf)
    assert [placed.job for placed in found.placed] == list(range(jobs))
    assert found.bound <= found.makespan * (1 + RELATIVE)
    assert found.makespan <= sum(min(width.time for width in widths) for widths in asked) * (1 + RELATIVE)
    for placed in found.placed:
        assert placed.width in asked[placed.job]
        assert len(devices[placed.job]) == placed.width.devices * placed.width.nodes
        assert {number // 4 for number in devices[placed.job]} == set(placed.nodes)
    for one, other in combinations(found.placed, 2):
        if set(devices[one.job]) & set(devices[other.job]):
            first, second = sorted((one, other), key=lambda each: each.start)
            assert first.end <= second.start * (1 + RELATIVE) + RELATIVE


CSV = """name,model,length,devices,global_batch,copies
a,lenet5,4000 steps,1..2,64,2
b,lenet5,2000 steps,4,64,
"""


@pytest.fixture
def trials(tmp_path):
    path = tmp_path / "trials.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _planned(monkeypatch):
    """Strategies by a rule in place of the planner: a step of 1 s on one device, half as long on two."""

    def rule(_work, pieces, **_options):
        for place, piece in enumerate(pieces):
            options = piece.ask.options
            devices = load_cluster(options.cluster).devices
            row = {"status": "answered", "step_time": 1.0 / devices, "plan": f"dp {devices}"}
            row |= {"global_batch": options.global_batch, "cluster": options.cluster}
            if devices == 3:
                row = {"status": "infeasible", "reason": "3 is odd"}
            yield place, Done(result=row, seconds=0.0)

    monkeypatch.setattr(module, "spread", rule)


def test_the_command_packs_trials_and_draws_them(trials, tmp_path):
    result = CliRunner().invoke(search, [str(trials), "--cluster", "dgx-a100:4gpus", "--workers", "1"])
    assert result.exit_code == 0, result.output
    # a-1 and a-2 on two devices each for 2000 s, b on four for 500 s
    assert result.stdout.startswith("Run 3 trials on the 4 devices of ")
    assert "the last ends after 41.67 min, all cost" in result.stdout.splitlines()[0]
    assert "100.0% of the devices' time until then" in result.stdout.splitlines()[0]
    assert "limited by the devices' time, which all trials share; no packing is shorter" in result.stdout
    asked = [str(trials), "--cluster", "dgx-a100:4gpus", "--json", "--report", str(tmp_path / "page")]
    answer = json.loads(CliRunner().invoke(search, asked).stdout)
    assert (answer["makespan"], answer["optimal"]) == (pytest.approx(2500), True)
    assert [each["devices"] for each in answer["trials"]][2] == [0, 1, 2, 3]
    assert (tmp_path / "page" / "search.html").stat().st_size > 1000


def test_a_trial_that_fits_nowhere_is_exit_status_1(tmp_path):
    path = tmp_path / "trials.csv"
    path.write_text("name,model,length,devices\na,lenet5,10 steps,3\n", encoding="utf-8")
    result = CliRunner().invoke(search, [str(path), "--cluster", "dgx-a100"])
    assert result.exit_code == 1
    assert "line 2: a fits on no part of dgx-a100:1: on 3: 3 is odd" in result.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,model\na,lenet5", "line 1: no column length; expected name, model, length"),
        ("name,model,lenght\na,lenet5,1", "line 1: unknown column 'lenght'; did you mean 'length'"),
        ("name,model,length\n", "no trial; expected one a line"),
        ("name,model,length\na,,1 steps", "line 2: model: found nothing"),
        ("name,model,length\na,lenet5,1,2", "line 2: more cells than columns"),
        ("name,model,length\na,x,1\na,x,1", "name: found a twice"),
        ("name,model,length,devices\na,x,1,8..2", "line 2: devices: found '8..2'; expected numbers"),
        ("name,model,length,copies\na,x,1,0", "line 2: copies: found '0'; expected a whole number"),
        (
            "name,model,length,devices\na,lenet5,1 steps,12",
            "line 2: devices: found 12; expected at most the 8",
        ),
        ("name,model,length\na,lenet6,1 steps", "line 2: .*lenet6"),
        ("name,model,length\na,lenet5,3 tokens", "line 2: length: found '3 tokens' for lenet5"),
    ],
)
def test_a_bad_table_is_one_message_with_its_line(tmp_path, text, said):
    path = tmp_path / "trials.csv"
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(search, [str(path), "--cluster", "dgx-a100"])
    assert result.exit_code == 2, result.output
    assert re.search(said, result.output)


def test_devices_are_some_of_a_node_or_whole_nodes(trials):
    (first, *_) = read_trials(trials)
    cluster = load_cluster("dgx-a100:3")
    assert device_counts(first, cluster) == (1, 2)
    every = type(first)(name="x", place="x", model="x", length="x")
    assert device_counts(every, cluster) == (1, 2, 4, 8, 16, 24)
    with pytest.raises(SimdlError, match="No such file"):
        read_trials(trials.with_name("none.csv"))


def test_python_says_what_the_command_says(trials):
    """`simdl.search` gives the numbers of `simdl search --json`, and what is read off them."""
    packed = simdl.search(trials, "dgx-a100:4gpus", workers=1)
    asked = [str(trials), "--cluster", "dgx-a100:4gpus", "--json"]
    told = json.loads(CliRunner().invoke(search, asked).stdout)
    assert {**json.loads(packed.to_json()), "wall_time": 0} == {**told, "wall_time": 0}
    assert (packed.makespan, packed.bound) == pytest.approx((2500, 2500))
    assert packed.utilisation == pytest.approx(1.0)
    assert packed.headline.startswith("Run 3 trials on the 4 devices of ")
    frame = packed.frame()
    assert list(frame["name"]) == ["a-1", "a-2", "b"]
    assert frame["end"].max() == packed.makespan


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"trials": None, "cluster": "dgx-a100"}, "trials: found None.*; expected a CSV file of trials"),
        ({"trials": "none.csv", "cluster": "dgx-a100"}, "none.csv: .*No such file"),
        ({"cluster": 8}, "cluster: found 8 .*; expected a cluster such as 'dgx-a100:4'"),
        ({"cluster": "dgx-a1000"}, "dgx-a1000"),
        ({"cluster": "dgx-a100", "workers": 0}, "workers: found 0 .*; expected a whole number, at least 1"),
    ],
)
def test_python_refuses_what_the_command_refuses(trials, arguments, said):
    with pytest.raises(SimdlError, match=said):
        simdl.search(**{"trials": trials, **arguments})
