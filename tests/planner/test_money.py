"""Horizons, prices, deadlines and sizes: closed forms, refusals, fronts, and what a user sees."""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.errors import ProfileError
from hardware.profiles import load_cluster
from planner.commands.plan import plan
from planner.money.criteria import CriteriaAsked, read_criteria
from planner.money.horizon import parse_horizon
from planner.money.pareto import pareto_front
from planner.money.price import hardware_price, load_prices
from planner.money.sizes import compare_sizes, resized
from planner.questions.question import Options, load_question
from planner.search.plan import Plan, PlanResult
from simdl.errors import SimdlError
from simdl.power.step_power import step_power
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy

MODEL = ("gpt2", "--cluster", "dgx-a100:4", "--top", "1")  # whose batch is the published one
SMALL = (*MODEL, "--global-batch", "64")
NOTHING = {
    "candidates": 1,
    "feasible": 1,
    "simulated": 1,
    "certified": True,
    "certified_over": "",
    "wall_time": 0.0,
    "reasons": ("too small",),
    "why": (),
}
FLAGS = ("--precision", "bf16", "--max-simulations", "2")
PRICES = """
[sources.offer]
kind = "paper"
title = "Offer of 2026"
location = "https://example.org/offer"
read_on = 2026-11-29

[nodes]
dgx-a100 = { value = "16 USD/h", source = "offer" }

[devices]
h100-sxm-80gb = { value = "3 USD/h", source = "offer" }

[electricity]
price = { value = "0.36 USD/kWh", source = "offer" }
overhead = { value = 1.5, source = "offer" }
"""


def ask(*arguments):
    return CliRunner().invoke(plan, [*arguments, *FLAGS])


def answered(*arguments, code=0):
    done = ask(*arguments, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def gpt2():
    return load_question(Options(model="gpt2", cluster="dgx-a100:1")).workload


@pytest.fixture(scope="module")
def priced():
    return answered(*SMALL, "--horizon", "300B", "--price", "2.5")


@pytest.mark.theory
def test_a_horizon_and_a_price_give_hours_money_and_energy(priced):
    best = priced["plans"][0]
    run = best["horizon"]
    assert run["training_time"] == pytest.approx(300e9 / best["tokens_per_s"])
    assert run["steps"] == pytest.approx(300e9 / 1024 / 64)
    assert run["device_hours"] == pytest.approx(32 * run["training_time"] / 3600)
    assert run["cost"] == pytest.approx(2.5 * run["device_hours"])
    assert run["energy"] == pytest.approx(best["rates"]["power"] * run["training_time"])
    assert run["kwh"] == pytest.approx(run["energy"] / 3.6e6)
    assert best["rates"]["tokens_per_dollar"] == pytest.approx(300e9 / run["cost"])
    assert run["goodput"] is None
    assert any("no failures" in each for each in priced["money_assumptions"])
    assert any("idle power" in each and "assumed" in each for each in priced["money_assumptions"])


@pytest.mark.theory
def test_failures_that_are_given_lengthen_the_training_by_the_goodput(priced):
    run = answered(*SMALL, "--horizon", "300B", "--price", "2.5", "--node-mtbf", "1d")["plans"][0]["horizon"]
    assert 0.5 < run["goodput"] < 0.99
    assert run["tokens"] == pytest.approx(300e9)
    expected = priced["plans"][0]["horizon"]["training_time"] / run["goodput"]
    assert run["training_time"] == pytest.approx(expected)
    assert run["cost"] == pytest.approx(2.5 * 32 * expected / 3600)


def test_the_answer_shows_time_hours_money_and_energy():
    done = ask(*SMALL, "--horizon", "300B tokens", "--price", "$2.5")
    assert done.exit_code == 0, done.output
    for word in (
        "training time",
        "device-hours",
        "USD",
        "kWh",
        "price: 2.5 USD per device-hour",
        "no failures",
    ):
        assert word in done.output
    done = ask(*SMALL, "--price", "2.5")
    assert "USD/h" in done.output
    assert "tokens/USD" in done.output


def test_sizes_are_compared_and_the_cheapest_is_taken():
    found = answered(*SMALL, "--horizon", "10B", "--price", "2", "--objective", "cost")
    costs = [each["horizon"]["cost"] for each in found["clusters"]]
    assert [each["nodes"] for each in found["clusters"]] == [1, 2, 4]
    (chosen,) = (each for each in found["clusters"] if each["chosen"])
    assert chosen["horizon"]["cost"] == min(costs) == pytest.approx(found["plans"][0]["horizon"]["cost"])
    assert found["question"]["cluster"] == chosen["cluster"]
    assert found["objective"] == {"name": "cost"}
    times = [each["horizon"]["training_time"] for each in found["clusters"]]
    devices = [each["devices"] for each in found["clusters"]]
    assert found["pareto"]["time_devices"] == pareto_front(devices, times)


def test_the_energy_of_the_plans_rises_down_the_ranking():
    found = answered(*SMALL, "--top", "3", "--objective", "energy", "--max-devices", "8", "--horizon", "1B")
    energy = [each["horizon"]["energy"] for each in found["plans"]]
    assert energy == sorted(energy)
    assert energy[0] == min(each["horizon"]["energy"] for each in found["clusters"])
    assert found["certified"] is False  # of the fastest plans alone


@pytest.fixture(scope="module")
def made_up():
    """A question on 64 nodes, and a planner to which a step takes a second of one node, or nothing fits."""
    question = load_question(Options(model="gpt2", cluster="dgx-a100:64"))
    strategy = Strategy(dp=512, micro_batch=1)
    told = simulate(question.workload, question.cluster, strategy, stack=question.stack).report

    def planner(overhead, least):
        def find(each, _wanted):
            nodes = each.cluster.count
            seconds = 1 / nodes + overhead
            rate = each.workload.global_batch / seconds
            report = replace(told, step_time=seconds, samples_per_s=rate)
            plans = (Plan(bound=seconds, report=report),) if nodes >= least else ()
            return PlanResult(**NOTHING, plans=plans)

        return find

    return question, planner


@pytest.mark.property
@settings(max_examples=40)
@given(
    days=st.floats(0.02, 3), overhead=st.floats(0, 0.1), least=st.integers(1, 64), limit=st.integers(1, 64)
)
def test_the_smallest_cluster_is_that_of_trying_all(days, overhead, least, limit, made_up):
    question, planner = made_up
    horizon = 86400 * question.workload.global_batch  # a day on one node
    asked = CriteriaAsked(
        horizon=f"{horizon} samples", deadline=f"{days}d", max_devices=8 * limit, smallest=True
    )
    criteria = read_criteria(asked, question)
    comparison = compare_sizes((question,), criteria, planner(overhead, least))
    # batches of odd numbers of nodes are rounded, so that their steps are another number
    times = {
        nodes: horizon / resized(question, nodes).workload.global_batch * (1 / nodes + overhead)
        for nodes in range(least, limit + 1)
    }
    fine = [nodes for nodes, seconds in times.items() if seconds <= days * 86400]
    falling = all(times[nodes + 1] <= times[nodes] for nodes in range(least, limit))
    chosen = comparison.chosen
    assert (chosen is None) <= (not fine or not falling)
    if chosen is not None:
        assert chosen.cluster.count in fine
        assert chosen.cluster.count == min(fine) or not falling


def test_a_deadline_chooses_the_smallest_cluster_and_says_where_none_does():
    slow = (*SMALL[:-2], "--global-batch", "16", "--horizon", "1B")
    found = answered(*slow, "--deadline", "3650d")
    (chosen,) = (each for each in found["clusters"] if each["chosen"])
    assert chosen["nodes"] == 1
    assert found["question"]["cluster"] == "dgx-a100:1"
    late = answered(*slow, "--deadline", "2min", code=1)
    assert late["plans"] == []
    assert "no cluster meets the deadline of 2min" in late["reasons"][-1]


def test_the_smallest_cluster_that_holds_the_model():
    found = answered("gpt3-13b", "--cluster", "g5:4", "--global-batch", "8", "--smallest", "--top", "1")
    fits = {each["nodes"]: each["feasible"] for each in found["clusters"]}
    chosen = next(each for each in found["clusters"] if each["chosen"])
    assert 1 < chosen["nodes"] <= 4
    assert all(not fit for nodes, fit in fits.items() if nodes < chosen["nodes"])


def test_several_clusters_in_one_question(tmp_path):
    prices = tmp_path / "prices.toml"
    prices.write_text(PRICES)
    found = answered(
        *("gpt2", "--cluster", "dgx-a100:2", "--cluster", "dgx-h100:1", "--top", "1"),
        *("--horizon", "10B", "--price", str(prices)),
    )
    assert [each["cluster"] for each in found["clusters"]] == ["dgx-a100:2", "dgx-h100:1"]
    assert sum(each["chosen"] for each in found["clusters"]) == 1
    h100 = found["clusters"][1]
    hourly = 8 * 3 + 0.36 * 1.5 * h100["rates"]["power"] / 1e3
    assert h100["rates"]["cost_per_hour"] == pytest.approx(hourly)
    page = tmp_path / "pages"
    done = ask(
        *("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "16", "--top", "1", "--max-devices", "8"),
        *("--horizon", "10B", "--price", "2", "--report", str(page)),
    )
    assert done.exit_code == 0, done.output
    text = (page / "plan.html").read_text(encoding="utf-8")
    assert "What the training comes to" in text
    assert "Clusters and numbers of nodes compared" in text
    done = ask("gpt2", "--cluster", "dgx-a100:2", "--cluster", "dgx-a100:2")
    assert done.exit_code == 2
    assert "found dgx-a100:2 twice" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--objective", "cost"), "--objective cost: given without --price"),
        (("--objective", "tokens-per-dollar"), "--objective tokens-per-dollar: given without --price"),
        (("--deadline", "21d"), "--deadline 21d: given without --horizon"),
        (("--deadline", "21d", "--horizon", "30d"), "a time; expected an amount"),
        (("--deadline", "soon", "--horizon", "1B"), "--deadline: 'soon' is not a quantity"),
        (("--horizon", "90ep"), "epochs of what is not said"),
        (("--horizon", "90 images"), "whose samples are sequences"),
        (("--horizon", "5"), "expected at least one step of 512"),
        (("--horizon", "0B"), "expected above 0"),
        (("--horizon", "1e300T"), "at most 1e+18"),
        (("--horizon", "nan"), "'nan' is not a quantity"),
        (("--horizon", "1B", "--epochs", "1", "--dataset", "gpt3"), "expected one of them"),
        (("--horizon", "1B", "--dataset", "gpt3"), "expected epochs"),
        (("--price", "0"), "--price: found '0'; expected 1e-06 to 1e+06 USD"),
        (("--price", "nan"), "--price: found 'nan'; expected USD"),
        (("--price", "-3"), "expected 1e-06 to"),
        (("--price", "missing.toml"), "--price: missing.toml: cannot be read"),
        (("--max-devices", "7"), "--max-devices: found 7; expected at least 8"),
        (("--objective", "time-to-accuracy", "--pareto"), "chooses the global batch"),
        (("--node-mtbf", "1d"), "--node-mtbf: given without --horizon"),
        (("--horizon", "1B", "--node-mtbf", "0s"), "--node-mtbf: found '0s'"),
    ],
)
def test_what_has_no_answer_is_one_message(arguments, message):
    done = ask(*MODEL, *arguments)
    assert done.exit_code == 2, done.output
    assert message in done.output


def test_nodes_of_two_kinds_that_nothing_divides_over_are_an_answer():
    done = ask("lenet5", "--cluster", "dgx-a100:1,dgx-h100:1", "--global-batch", "1", "--price", "2")
    assert done.exit_code == 1, done.output
    assert "no product dp x tp x pp x cp = 16 divides lenet5 and the global batch 1" in done.output


def test_energy_of_a_device_without_a_printed_power_is_refused_but_not_missed_elsewhere():
    model = ("gpt2", "--cluster", "tpu-v5e-slice:1", "--global-batch", "64", "--top", "1")
    done = ask(*model, "--objective", "energy")
    assert done.exit_code == 2
    assert "no board power is published" in done.output
    found = answered(*model, "--horizon", "1B", "--price", "1")
    assert found["plans"][0]["horizon"]["kwh"] is None
    assert found["plans"][0]["horizon"]["cost"] > 0
    assert any("no board power" in each for each in found["money_assumptions"])


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("300B", 3e11), ("1.5T tokens", 1.5e12), ("2 M tok", 2e6), ("3e9", 3e9), ("1k steps", 512 * 1024e3)],
)
@pytest.mark.theory
def test_horizons_of_tokens(text, tokens, gpt2):
    assert parse_horizon(text, gpt2).samples * 1024 == pytest.approx(tokens)


@pytest.mark.parametrize("text", ["90ep", "90 epochs", "90epoch", "115.3M images"])
@pytest.mark.theory
def test_horizons_of_images(text):
    workload = load_question(Options(model="resnet50", cluster="dgx-a100:1")).workload
    found = parse_horizon(text, workload)
    assert found.samples == pytest.approx(90 * 1_281_167, rel=1e-3)
    assert (found.epochs == 90) == ("ep" in text)


@given(text=st.text(max_size=12))
@pytest.mark.property
def test_any_text_is_a_horizon_or_refused(text, gpt2):
    try:
        found = parse_horizon(text, gpt2)
    except SimdlError as refused:
        said = str(refused)
    else:
        said = f"--horizon {(found.samples or found.time) > 0}"
    assert said.startswith("--horizon")
    assert "False" not in said


@pytest.mark.theory
def test_prices_by_node_device_and_part_of_a_node(tmp_path):
    place = tmp_path / "prices.toml"
    place.write_text(PRICES)
    prices = load_prices(str(place))
    assert hardware_price(prices, load_cluster("dgx-a100:3")) == pytest.approx(3 * 16 / 3600)
    assert hardware_price(prices, load_cluster("dgx-a100:2gpus")) == pytest.approx(4 / 3600)
    assert hardware_price(prices, load_cluster("dgx-h100:1")) == pytest.approx(24 / 3600)
    with pytest.raises(SimdlError, match=r"no price of node dgx-2 .* it has dgx-a100, h100-sxm-80gb"):
        hardware_price(prices, load_cluster("dgx-2:1"))
    place.write_text(PRICES.replace('"3 USD/h"', '"0 USD/h"').replace("1.5", "0.5"))
    with pytest.raises(ProfileError, match=r"above zero[^§]*at least 1") as refused:
        load_prices(str(place))
    assert len(refused.value.faults) == 2


@pytest.mark.theory
def test_the_prices_of_the_page_are_prices(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "money.md").read_text(encoding="utf-8")
    place = tmp_path / "prices.toml"
    place.write_text(page.partition("<!-- file: prices -->\n```toml\n")[2].partition("```")[0])
    prices = load_prices(str(place))
    assert hardware_price(prices, load_cluster("p5:2")) == pytest.approx(2 * 98.32 / 3600)
    assert prices.electricity == pytest.approx(0.12 / 3.6e6)


@given(points=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=12))
@pytest.mark.property
def test_a_front_is_what_nothing_beats(points):
    front = [points[index] for index in pareto_front([a for a, _ in points], [b for _, b in points])]
    beaten = {
        point
        for point, other in product(points, points)
        if other != point and all(a <= b for a, b in zip(other, point, strict=True))
    }
    assert set(front) == set(points) - beaten
    assert len(front) == len(set(front))


@pytest.mark.published
@pytest.mark.parametrize(
    ("model", "cluster", "batch", "watts"),
    [
        ("resnet50", "dgx-h100:1", 2048, 7041),
        ("bert-large", "dgx-h100:1", 448, 6846),
        ("bert-large", "dgx-b200:1", 448, 9756),
    ],
)
def test_nodes_draw_what_mlperf_metered(model, cluster, batch, watts):
    """MLPerf Training, one-node runs, means of the power logs from start to stop.

    mlcommons/training_results_v4.0, smc-ac-power/results/1xSMC-H100-SXM-80GB/{resnet,bert}/power, and
    training_results_v5.0, Lenovo/results/SR780aV3-8xB200_SXM_180GB/bert/power.
    """
    question = load_question(Options(model=model, cluster=cluster, global_batch=batch))
    strategy = Strategy(dp=8, micro_batch=batch // 8)
    report = simulate(question.workload, question.cluster, strategy, stack=question.stack).report
    assert step_power(report, question.cluster).total == pytest.approx(watts, rel=0.2)


def test_the_least_expected_regret_comes_first_where_it_is_asked_for():
    found = answered(*SMALL, "--top", "3", "--objective", "regret")
    regrets = [each["expected_regret"] for each in found["plans"]]
    assert regrets == sorted(regrets)
    assert regrets[0] > 0
    assert found["certified"] is False  # of the fastest plans alone
