"""Plans of the dashboard: they report progress, answer as the command does, and stop when cancelled."""

import time
from multiprocessing import active_children

import pytest
from dashboard_client import Client, parts, texts

from planner.dashboard.callbacks import change_state
from planner.dashboard.catalog import Asked, build_catalog
from planner.dashboard.plan_jobs import RUNNING, TOP, PlanJobs
from planner.dashboard.plan_process import Advanced, Failed, Finished
from planner.dashboard.plan_view import plan_fraction, plan_status
from planner.dashboard.state import format_state, parse_state, strategy_values
from planner.questions.question import Options, load_question
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
    assert plan_fraction(job) == 1.0
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
    with pytest.raises(SimdlError, match=f"{RUNNING} plans are running; cancel one, or wait"):
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


def follow(client, changed, number=None, *, query="", top="5"):
    return client.call(
        "plan-status.children", changed, plan_number__data=number, state__data=query, plan_top__value=top
    )


QUERY = "model=gpt2&node=dgx-a100&count=1&global_batch=32"


def test_the_page_follows_a_plan_to_its_answer_and_uses_it(client):
    first = follow(client, "plan-start.n_clicks", query=QUERY, top="2")
    number = first["plan-number.data"]
    assert first["plan-status.children"].startswith("plan: ")
    assert (first["plan-start.disabled"], first["plan-cancel.disabled"]) == (True, False)
    assert (first["plan-poll.disabled"], first["plan-progress.hidden"]) == (False, False)
    wait(lambda: follow(client, "plan-poll.n_intervals", number)["plan-done.data"])
    last = follow(client, "plan-poll.n_intervals", number)
    assert (last["plan-progress.hidden"], last["plan-poll.disabled"]) == (True, True)
    answer = client.call("plan-ranked.children", "plan-done.data", plan_done__data=number)
    assert [texts(title) for title in parts(answer["plan.children"], "H3")][:2] == [
        "Ranked strategies",
        "Where the time goes",
    ]
    uses = [button["props"]["id"] for button in parts(answer["plan-ranked.children"], "Button")]
    assert [(use["side"], use["rank"]) for use in uses] == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert client.jobs.find(number).outcome.result.plans


def test_buttons_change_the_state(client):
    number = client.jobs.start(SMALL, 2)
    wait(lambda: client.jobs.find(number).outcome is not None)
    plans = client.jobs.find(number).outcome.result.plans
    state = parse_state("model=gpt3-175b&node=dgx-a100&count=128&a.tp=8")
    both = change_state(state, "compare", client.jobs)
    assert both.strategies == ({"tp": 8}, {"tp": 8})
    assert change_state(both, "compare", client.jobs) == state
    for side, rank, place in (("a", 1, 0), ("b", 0, 1)):
        use = {"type": "use", "plan": number, "side": side, "rank": rank}
        used = change_state(state, use, client.jobs)
        assert used.asked == SMALL
        assert used.strategies[place] == strategy_values(plans[rank].report.strategy)
        assert len(used.strategies) == place + 1
        assert parse_state(format_state(used)).asked == SMALL
    with pytest.raises(SimdlError, match="no longer known"):
        change_state(state, {"type": "use", "plan": "x", "side": "a", "rank": 0}, client.jobs)


def test_a_plan_without_an_answer_shows_its_reasons(client):
    asked = Asked(model="gpt3-175b", node="dgx-1-p100", count=1, precision="fp16", global_batch=8)
    number = client.jobs.start(asked, 1)
    wait(lambda: client.jobs.find(number).outcome is not None)
    job = client.jobs.find(number)
    assert "nothing to rank" in plan_status(job)
    answer = client.call("plan-ranked.children", "plan-done.data", plan_done__data=number)
    assert "No strategy fits" in texts(answer["plan-ranked.children"])
    assert "short" in texts(answer["plan-ranked.children"])
    (graph,) = parts(answer["plan.children"], "Graph")
    assert graph["props"]["figure"]["layout"]["annotations"][0]["text"] == "usable"


def test_a_convolutional_network_is_split_layer_by_layer_too(client):
    number = client.jobs.start(Asked(model="lenet5", node="dgx-1-v100", count=1, global_batch=64), 1)
    wait(lambda: client.jobs.find(number).outcome is not None)
    answer = client.call("plan-ranked.children", "plan-done.data", plan_done__data=number)
    assert "split 8 mb 64" in texts(answer["plan-ranked.children"])
    titles = [texts(title) for title in parts(answer["plan.children"], "H3")]
    assert "Per layer: time by layer" in titles


def test_the_page_cancels_a_plan(client):
    query = "model=megatron-1t&node=dgx-a100&count=384"
    number = follow(client, "plan-start.n_clicks", query=query)["plan-number.data"]
    process = client.jobs.find(number).process
    told = follow(client, "plan-cancel.n_clicks", number)
    assert told["plan-status.children"] == "plan: cancelled"
    assert told["plan-start.disabled"] is False
    assert not process.is_alive()
    assert client.call("plan-ranked.children", "plan-done.data", plan_done__data=number) == {
        "plan-ranked.children": [],
        "plan.children": [],
    }


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
