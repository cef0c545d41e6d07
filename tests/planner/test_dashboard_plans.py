"""Plans of the dashboard: they report progress, answer as the command does, and stop when cancelled."""

import time
from dataclasses import replace
from multiprocessing import active_children

import pytest
from dashboard_client import Client, parts, texts

from planner.console.format import format_seconds
from planner.dashboard.callbacks import changed_query
from planner.dashboard.catalog import Asked, ask, build_catalog
from planner.dashboard.plan_jobs import RUNNING, TOP, PlanJobs
from planner.dashboard.plan_process import Advanced, Failed, Finished
from planner.dashboard.plan_view import plan_fraction, plan_status
from planner.dashboard.state import format_state, parse_state
from planner.questions.question import Options, load_question
from planner.questions.strategy_file import build_strategy
from planner.search.plan import plan
from simdl.errors import SimdlError

SMALL = Asked(model="gpt2", node="dgx-a100", count=1, global_batch=32)
LARGE = Asked(model="megatron-1t", node="dgx-a100", count=384)  # several seconds
PATIENCE = 60  # [s] for a plan that takes two


@pytest.fixture(scope="module")
def client():
    made = Client()
    yield made
    made.jobs.close()
    assert active_children() == []


@pytest.fixture
def jobs():
    made = PlanJobs(build_catalog())
    yield made
    made.close()
    assert active_children() == []


def wait(look):
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_plan_answers_as_the_command_does(jobs):
    number = jobs.start(SMALL, 3)
    assert jobs.find(number).outcome is None
    wait(lambda: jobs.find(number).outcome is not None)
    job = jobs.find(number)
    assert isinstance(job.outcome, Finished)
    assert isinstance(job.advanced, Advanced)
    assert job.advanced.done == job.advanced.total
    question = load_question(Options(model="gpt2", cluster="dgx-a100:1", global_batch=32))
    expected = plan(question.workload, question.cluster, stack=question.stack, top=3)
    assert [p.report.strategy for p in job.outcome.result.plans] == [
        p.report.strategy for p in expected.plans
    ]
    assert [p.report.step_time for p in job.outcome.result.plans] == [
        p.report.step_time for p in expected.plans
    ]
    assert plan_fraction([job]) == 1.0
    assert "certified best of them" in plan_status(job)
    assert not job.process.is_alive()


def test_a_cancelled_plan_stops_at_once(jobs):
    job = jobs.find(jobs.start(LARGE, 5))
    wait(job.process.is_alive)
    started = time.monotonic()
    job.cancel()
    assert time.monotonic() - started < 2
    assert not job.process.is_alive()
    assert job.process.exitcode != 0
    assert job.outcome == Failed(message="cancelled")
    job.cancel()  # again: nothing more happens
    job.poll()
    assert job.outcome == Failed(message="cancelled")


def test_a_plan_whose_process_dies_says_so(jobs):
    job = jobs.find(jobs.start(LARGE, 5))
    job.process.kill()
    job.process.join()
    job.poll()
    assert isinstance(job.outcome, Failed)
    assert "ended with status -9" in job.outcome.message


def test_a_question_that_is_refused_fails_with_its_message(jobs):
    job = jobs.find(jobs.start(Asked(model="gpt2", node="dgx-1-v100", count=1, precision="bf16"), 1))
    wait(lambda: job.poll() or job.outcome is not None)
    assert isinstance(job.outcome, Failed)
    assert "no bf16 arithmetic" in job.outcome.message


def test_plans_at_once_are_limited_and_closing_stops_all(jobs):
    running = [jobs.find(jobs.start(LARGE, 5)) for _ in range(RUNNING)]
    with pytest.raises(SimdlError, match=f"plans running: {RUNNING}; expected {RUNNING} at most"):
        jobs.start(SMALL, 1)
    jobs.close()
    assert not any(job.process.is_alive() for job in running)


@pytest.mark.parametrize("top", [0, TOP + 1])
def test_numbers_of_plans_are_limited(jobs, top):
    with pytest.raises(SimdlError, match=f"found {top}; expected 1 to {TOP}"):
        jobs.start(SMALL, top)


def test_unknown_plans_are_said_to_be_unknown(jobs):
    with pytest.raises(SimdlError, match="no longer known"):
        jobs.find("x")


def follow(client, changed, numbers=None, *, query="", top="5"):
    return client.call(
        "plan-status.children", changed, plan_numbers__data=numbers, state__data=query, plan_top__value=top
    )


QUERY = "model=gpt2&node=dgx-a100&count=1&global_batch=32"


def answered(client, numbers):
    """What the page shows of ended plans: status, ranking and sections."""
    wait(lambda: all(client.jobs.find(number).outcome is not None for number in numbers))
    last = follow(client, "plan-poll.n_intervals", numbers)
    sections = client.call("plan.children", "plan-done.data", plan_done__data=last["plan-done.data"])
    return last | sections


def uses(ranked, kind="load"):
    """Identities of the buttons that use a strategy."""
    buttons = [button["props"]["id"] for button in parts(ranked, "Button")]
    return [identity for identity in buttons if identity["as"] == kind]


def test_the_page_follows_a_plan_to_its_answer_and_uses_it(client):
    first = follow(client, "plan-start.n_clicks", query=QUERY, top="2")
    numbers = first["plan-numbers.data"]
    assert first["plan-status.children"].startswith("plan: ")
    assert (first["plan-start.disabled"], first["plan-cancel.disabled"]) == (True, False)
    assert (first["plan-poll.disabled"], first["plan-progress.hidden"]) == (False, False)
    last = answered(client, numbers)
    assert (last["plan-progress.hidden"], last["plan-poll.disabled"]) == (True, True)
    assert [texts(title) for title in parts(last["plan.children"], "H3")][:2] == [
        "Ranked strategies",
        "Where the time goes",
    ]
    ranked = last["plan-ranked.children"]
    assert texts(ranked).startswith("Run gpt2 on the 8 devices of dgx-a100:1 with ")
    assert [(use["side"], use["rank"]) for use in uses(ranked)] == [("a", 0), ("a", 1)]
    assert [(use["side"], use["rank"]) for use in uses(ranked, "other")] == [
        ("a", 0),
        ("b", 0),
        ("a", 1),
        ("b", 1),
    ]
    same = client.call(
        "plan-status.children",
        "plan-poll.n_intervals",
        plan_numbers__data=numbers,
        plan_shown__data=last["plan-shown.data"],
    )
    assert "plan-ranked.children" not in same  # drawn once


def test_rows_appear_while_the_search_goes_on(client):
    job = client.jobs.find(client.jobs.start(SMALL, 3))
    wait(lambda: job.poll() or job.outcome is not None)
    assert job.found > 1  # the first of them long before the answer
    assert [row.strategy for row in job.rows] == [plan.report.strategy for plan in job.outcome.result.plans]


def test_a_ranked_strategy_becomes_a_or_b(client):
    (number,) = numbers = client.jobs.start_all((SMALL,), 2, {"price": "2", "horizon": "1B"})
    ranked = answered(client, numbers)["plan-ranked.children"]
    assert {"training time", "USD", "kWh"} <= {texts(head) for head in parts(ranked, "Th")}
    plans = client.jobs.find(number).outcome.result.plans
    state = parse_state("model=gpt3-175b&node=dgx-a100&count=128&price=3&a.tp=8")
    for use in uses(ranked, "other"):
        used = parse_state(changed_query(format_state(state), use))
        assert (replace(used.asked, stack=None), used.criteria) == (SMALL, {"price": "3"})
        side, plan_ = "ab".index(use["side"]), plans[use["rank"]]
        cluster = ask(SMALL, client.catalog).cluster
        assert build_strategy(used.strategies[side], cluster) == plan_.report.strategy
        assert len(used.strategies) == side + 1


def test_comparing_copies_a_and_ends_with_b():
    query = "model=gpt2&node=dgx-a100&count=1&a.tp=2"
    both = changed_query(query, "compare")
    assert parse_state(both).strategies == ({"tp": 2}, {"tp": 2})
    assert changed_query(f"{both}&b.node=dgx-h100", "compare") == query


def test_two_machines_are_planned_side_by_side(client):
    query = f"{QUERY}&b.node=dgx-h100&b.tp=1"
    numbers = follow(client, "plan-start.n_clicks", query=query, top="1")["plan-numbers.data"]
    last = answered(client, numbers)
    ranked = last["plan-ranked.children"]
    assert [texts(head).partition(":1,")[0] for head in parts(ranked, "H3")] == ["A: dgx-a100", "B: dgx-h100"]
    second = next(use for use in uses(ranked) if use["side"] == "b")
    used = parse_state(changed_query(query, second))
    assert (used.asked.node, used.hardware["node"]) == ("dgx-a100", "dgx-h100")
    cards = client.call("verdict.children", "state.data", state__data=format_state(used))["verdict.children"]
    plans = client.jobs.find(numbers[1]).outcome.result.plans
    assert format_seconds(plans[0].report.step_time) in texts(cards[1])


def test_a_plan_without_an_answer_shows_its_reasons(client):
    asked = Asked(model="gpt3-175b", node="dgx-1-p100", count=1, precision="fp16", global_batch=8)
    numbers = [client.jobs.start(asked, 1)]
    last = answered(client, numbers)
    assert "nothing to rank" in plan_status(client.jobs.find(numbers[0]))
    assert "There is no feasible plan" in texts(last["plan-ranked.children"])
    assert "short" in texts(last["plan-ranked.children"])
    (graph,) = parts(last["plan.children"], "Graph")
    assert graph["props"]["figure"]["layout"]["annotations"][0]["text"] == "usable"


def test_a_convolutional_network_is_split_layer_by_layer_too(client):
    asked = Asked(model="lenet5", node="dgx-1-v100", count=1, global_batch=64)
    last = answered(client, [client.jobs.start(asked, 1)])
    assert "split 8 mb 64" in texts(last["plan-ranked.children"])
    titles = [texts(title) for title in parts(last["plan.children"], "H3")]
    assert "Per layer: time by layer" in titles


def test_the_page_cancels_a_plan(client):
    query = "model=megatron-1t&node=dgx-a100&count=384"
    numbers = follow(client, "plan-start.n_clicks", query=query)["plan-numbers.data"]
    process = client.jobs.find(numbers[0]).process
    told = follow(client, "plan-cancel.n_clicks", numbers)
    assert told["plan-status.children"] == "plan: cancelled"
    assert told["plan-start.disabled"] is False
    assert not process.is_alive()
    assert client.call("plan.children", "plan-done.data", plan_done__data=numbers) == {"plan.children": []}


@pytest.mark.parametrize(
    ("query", "top", "message"),
    [
        (QUERY, "many", "found 'many'; expected a whole number"),
        (QUERY, "0", "expected 1 to"),
        ("model=/etc/passwd&node=dgx-a100&count=1", "5", "unknown network"),
        ("model=gpt2", "5", "node: missing"),
    ],
)
def test_a_plan_that_cannot_start_says_why(client, query, top, message):
    told = follow(client, "plan-start.n_clicks", query=query, top=top)
    assert message in told["plan-status.children"]
    assert told["plan-start.disabled"] is False
