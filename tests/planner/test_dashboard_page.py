"""What the dashboard answers, through the callbacks that the page calls."""

import functools
import json
import re

import pytest
from click.testing import CliRunner
from dashboard_client import GPT2, GPT3, Client, parts, texts, verdict

from planner.commands.simulate import simulate
from planner.console.answers.report_json import simulation_json
from planner.dashboard import results
from planner.dashboard.answers import simulation
from planner.dashboard.catalog import ask
from planner.dashboard.limits import BODY
from planner.dashboard.sides import LIVE, check_side
from planner.dashboard.sketch import work_by_rank
from planner.dashboard.state import format_state, parse_state, start_state
from planner.pages.figures.palette import CAUSES
from planner.pages.sections.step import simulate_page
from planner.questions.strategy_file import build_strategy
from simdl.errors import DeadlockError


@pytest.fixture(scope="module")
def client():
    return Client()


def figures(client, query):
    return client.call("figures.children", "simulated.data", simulated__data=query)["figures.children"]


def details(client, query, **given):
    return client.call(
        "details.children", "detailed.data", **{"detailed__data": query, "near__data": True} | given
    )


def shown(client, query):
    """Cards and all figures of a state."""
    answer = verdict(client, query)
    first = figures(client, query)
    more = details(client, query)["details.children"]
    return answer["verdict.children"], first + more


class TestCards:
    def test_the_numbers_are_those_of_the_command(self, client):
        card = texts(verdict(client, GPT2 + "a.pp=2")["verdict.children"])
        done = CliRunner().invoke(
            simulate, ["gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32", "--pp", "2"]
        )
        printed = done.stdout.splitlines()
        for name in ("step time", "tokens/s", "MFU", "peak memory", "bubble"):
            value = next(line for line in printed if line.startswith(name)).removeprefix(name).strip()
            assert f"{name} {value}" in card

    def test_images_are_not_counted_in_tokens(self, client):
        card = texts(
            verdict(client, "model=resnet50&node=dgx-a100&count=1&global_batch=512")["verdict.children"]
        )
        assert "samples/s" in card
        assert "tokens/s" not in card

    def test_every_reason_against_a_strategy_is_told(self, client):
        answer = verdict(client, GPT3 + "a.tp=64&a.pp=7&a.zero=3")
        told = texts(answer["verdict.children"])
        assert answer["drawn.data"] is None
        for reason in ("= 896 devices; expected the 1024", "tp 64 does not divide 96", "zero 3 with pp 7"):
            assert reason in told

    def test_a_shortfall_of_memory_is_told_with_what_would_fit(self, client):
        answer = verdict(client, GPT3 + "stack=megatron-2022&a.tp=8&a.pp=8")
        told = texts(answer["verdict.children"])
        assert "stage 0 is" in told
        assert "GiB short" in told
        assert "Apply --zero 1" in told.partition("These fit: ")[2]
        assert answer["drawn.data"] is not None

    def test_the_stage_that_misses_by_most_is_named(self, client):
        query = (
            GPT3 + "stack=torchtitan&a.tp=4&a.pp=8&a.schedule=gpipe"
            "&a.recompute=selective&a.sequence_parallel=true&a.zero=1"
        )
        told = texts(verdict(client, query)["verdict.children"])
        assert re.search(r"stage 7 is [\d.]+ GiB short", told)
        assert "(and 7 more stages)" in told
        fitting = told.partition("These fit: ")[2].split("Apply ")[1:]
        assert len(set(fitting)) == len(fitting) > 1

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ("model=gpt2&node=dgx-1-v100&count=1&precision=bf16", "no bf16 arithmetic"),
            ("model=resnet50&node=dgx-a100&count=1&seq_len=128", "images"),
            ("model=/etc/passwd&node=dgx-a100&count=1", "unknown network '/etc/passwd'"),
            ("model=gpt2&node=mine.toml&count=1", "unknown node type 'mine.toml'"),
            ("model=gpt2&node=dgx-a100&count=1&stack=megatron", "megatron-202"),
            ("model=gpt2&node=dgx-a100&count=1&precision=bf17", "bf16"),
            ("model=gpt2&node=dgx-a100&count=0", "count: found '0'"),
            ("model=gpt2&node=dgx-a100&count=1&a.schedule=zigzag", "schedule: found 'zigzag'"),
            ("model=gpt2&node=dgx-a100&count=1&a.recompute=some", "recompute: found 'some'"),
        ],
    )
    def test_a_refused_question_is_told_and_nothing_drawn(self, client, query, reason):
        answer = verdict(client, query)
        assert reason in texts(answer["verdict.children"])
        assert answer["drawn.data"] is None
        assert figures(client, None) == []

    def test_a_long_step_is_bounded_first_and_simulated_then(self, client):
        query = GPT3 + "a.tp=4&a.pp=64&a.recompute=full&global_batch=1024"
        answer = verdict(client, query)
        assert "at least" in texts(answer["verdict.children"])
        assert answer["drawn.data"] == {"query": query, "complete": False}
        sketched = next(value for key, value in answer.items() if key.startswith("figures.children"))
        assert [texts(title) for title in parts(sketched, "H3")] == [
            "What ranks compute",
            "Memory by part and rank",
        ]
        bound = float(texts(answer["verdict.children"]).partition("at least ")[2].split()[0])
        later = client.call("simulated.data", "drawn.data", drawn__data=answer["drawn.data"])
        assert later["simulated.data"] == query
        card = next(value for key, value in later.items() if key.startswith("verdict.children"))
        took = float(texts(card).partition("step time ")[2].split()[0])
        assert bound <= took <= 1.2 * bound
        first, last = texts(answer["verdict.children"]), texts(card)
        share = [
            float(text.partition(name)[2].split("%")[0])
            for text, name in ((first, "MFU at most"), (last, "MFU"))
        ]
        assert share[1] <= share[0] <= 1.2 * share[1]
        memory = [text.partition("peak memory")[2].split()[:2] for text in (first, last)]
        assert memory[0] == memory[1]

    def test_a_step_that_is_too_long_is_refused(self, client):
        answer = verdict(client, GPT3 + "global_batch=999999&a.tp=8&a.pp=64&a.dp=1")
        told = texts(answer["verdict.children"])
        assert f"the page simulates at most {LIVE:,}" in texts(
            verdict(client, GPT3 + "global_batch=20000&a.tp=8&a.pp=64&a.dp=2")["verdict.children"]
        )
        assert "= 512 devices" in told

    def test_what_only_a_simulation_finds_is_told(self, client, monkeypatch):
        def refuse(*_):
            raise DeadlockError("the schedule waits for itself")

        monkeypatch.setattr(results, "simulation", refuse)
        answer = verdict(client, GPT2 + "a.tp=2&b.pp=2")
        assert texts(answer["verdict.children"]).count("the schedule waits for itself") == 2
        assert answer["drawn.data"] is None
        assert figures(client, GPT2) == []


class TestFigures:
    def test_sections_are_those_of_the_report(self, client):
        query = GPT2 + "a.pp=2"
        _, drawn = shown(client, query)
        state = parse_state(query)
        question = ask(state.asked, client.catalog)
        found = simulation(state.asked, client.catalog, build_strategy({"pp": 2}, question.cluster))
        page = simulate_page(question, found, simulation_json(question, found.report))
        assert [texts(title) for title in parts(drawn, "H3")] == [section.title for section in page.sections]
        graphs = [graph["props"]["figure"] for graph in parts(drawn, "Graph")]
        bodies = [section.body for section in page.sections if hasattr(section.body, "to_json")]
        assert graphs == [json.loads(body.to_json()) for body in bodies]
        for graph in graphs:
            assert graph["data"]
            for axis in ("xaxis", "yaxis"):
                title = graph["layout"][axis].get("title", {}).get("text", "")
                assert (
                    "[" in title
                    or graph["layout"][axis].get("type") == "category"
                    or graph["layout"][axis].get("visible") is False  # of a drawing
                    or title == "rank and stream"
                )

    def test_two_strategies_are_compared_in_the_words_of_diff(self, client):
        cards, drawn = shown(client, GPT2 + "a.tp=2&b.pp=2&b.micro_batch=2")
        told = texts(drawn)
        assert len(cards) == 2
        assert "times as fast as" in told
        assert "strategies of A and B: " in told
        assert "tensor parallelism 2 and 1" in told
        pipelines = [
            next(parts(section, "Graph"))["props"]["figure"]["layout"]["xaxis"]["range"]
            for section in parts(drawn, "Section")
            if texts(section).startswith("Pipeline of ")
        ]
        assert len(pipelines) == 2
        assert pipelines[0] == pipelines[1]  # one axis of time
        table = next(part for part in parts(drawn, "Div") if "data-html" in part["props"])
        assert texts(table).split()[:6] == ["cause", "A", "B", "B", "-", "A"]
        bars = next(parts(drawn, "Graph"))["props"]["figure"]
        assert bars["data"][0]["y"] == ["A", "B"]
        colours = {bar["name"].replace(" ", "_"): bar["marker"]["color"] for bar in bars["data"]}
        assert all(CAUSES[name][0] == colour for name, colour in colours.items())

    def test_one_strategy_that_is_refused_leaves_the_other(self, client):
        cards, drawn = shown(client, GPT2 + "a.tp=2&b.tp=5")
        assert "cannot be carried out" in texts(cards[1])
        assert "times as fast as" not in texts(drawn)
        assert list(parts(drawn, "Graph"))

    def test_the_others_are_drawn_where_they_are_looked_at_and_never_those_of_another_state(self, client):
        query = GPT2 + "a.pp=2"
        assert details(client, query, near__data=False) == {
            "details.children": [],
            "details.data-query": None,
        }
        drawn = details(client, query, details__data_query=GPT2 + "a.pp=4")
        assert drawn["details.children"]
        assert drawn["details.data-query"] == query
        assert details(client, query, details__data_query=query, near__data=False) == {}
        assert details(client, None)["details.children"] == []

    def test_a_change_answers_at_a_thousand_devices(self, client):
        state = start_state(client.catalog)
        query = format_state(state)
        shown(client, query)  # what a page has done before its user changes anything
        shown(client, query.replace("a.pp=8", "a.pp=16"))
        assert ask(state.asked, client.catalog).cluster.devices == 1024


class TestSketch:
    @pytest.mark.theory
    @pytest.mark.parametrize(
        "strategy",
        [
            "a.pp=4&a.tp=2",
            "a.pp=4&a.virtual_stages=2&a.schedule=interleaved-1f1b&a.recompute=full",
            "a.pp=2&a.schedule=gpipe&a.micro_batch=4",
            "a.pp=2&a.schedule=zb-h1&a.stages=5-9",
        ],
    )
    def test_the_work_of_ranks_is_that_of_the_simulated_step(self, client, strategy):
        state = parse_state(f"{GPT2}stack=torchtitan&{strategy}")
        side = check_side(state, 0, client.catalog)
        simulated = simulation(side.asked, client.catalog, side.strategy)
        works = work_by_rank(simulated.step)
        for cause in ("forward", "backward", "recompute", "tensor_communication", "optimizer"):
            mean = sum(work.get(cause, 0.0) for work in works) / len(works)
            assert mean == pytest.approx(simulated.report.breakdown.get(cause, 0.0), rel=1e-9)


class TestControls:
    def test_an_address_restores_every_control(self, client):
        query = f"?{GPT3}seq_len=1024&stack=megatron-2021&a.tp=8&a.pp=16&a.stages=50-48&b.dp=64&b.zero=3"
        answer = client.call("controls.children", "address.data", address__data=query)
        controls = answer["controls.children"]
        fields = {
            one["props"]["id"]["name"]: one["props"]["value"]
            for kind in ("Dropdown", "Input", "Checklist")
            for one in parts(controls, kind)
        }
        sliders = {
            one["props"]["id"]["name"]: one["props"]["marks"][str(one["props"]["value"])]["label"]
            for one in parts(controls, "Slider")
        }
        assert answer["notice.children"] == []
        assert fields["model"] == "gpt3-175b"
        assert (fields["count"], fields["seq_len"], fields["global_batch"]) == ("128", "1024", "")
        assert (fields["stack"], fields["precision"], fields["a.stages"]) == ("megatron-2021", None, "50-48")
        assert (sliders["a.tp"], sliders["a.pp"], sliders["a.dp"]) == ("8", "16", "auto")
        assert (sliders["b.dp"], sliders["b.zero"], sliders["b.tp"]) == ("64", "3", "1")

    def test_an_empty_address_starts_with_gpt3(self, client):
        answer = client.call("controls.children", "address.data", address__data="")
        menus = [one["props"]["value"] for one in parts(answer["controls.children"], "Dropdown")]
        assert menus[:2] == ["gpt3-175b", "dgx-a100"]

    def test_a_broken_address_is_told(self, client):
        answer = client.call("controls.children", "address.data", address__data="?model=gpt2&colour=red")
        told = texts(answer["notice.children"])
        assert "colour: unknown key" in told
        assert "node: missing" in told
        assert list(parts(answer["controls.children"], "Slider"))

    def test_unknown_choices_stay_in_their_menus(self, client):
        query = "?model=gpt5&node=dgx-a100&count=1&a.schedule=zigzag"
        answer = client.call("controls.children", "address.data", address__data=query)
        menus = {
            one["props"]["id"]["name"]: one["props"] for one in parts(answer["controls.children"], "Dropdown")
        }
        assert menus["model"]["value"] == "gpt5"
        assert "gpt5" in menus["model"]["options"]
        assert "zigzag" in menus["a.schedule"]["options"]

    def test_what_is_possible_follows_the_question(self, client):
        one, three = (
            client.call(
                "possible.data", "answered.data", answered__data=GPT2.replace("count=1", f"count={count}")
            )
            for count in (1, 3)
        )
        texts_of = [answer["possible.data"]["sliders"]["a.pp"]["texts"] for answer in (one, three)]
        assert texts_of == [["1", "2", "4", "8"], ["1", "3", "6", "12"]]  # 1 is chosen, but 24 divide no 32

    def test_a_second_strategy_can_be_removed(self, client):
        both = client.call("controls.children", "address.data", address__data=f"?{GPT2}a.tp=2&b.tp=4")
        assert "Remove strategy B" in texts(both["controls.children"])

    def test_a_button_that_changes_nothing_says_why(self, client):
        press = functools.partial(client.call, "pressed.children", "compare.n_clicks", compare__n_clicks=1)
        refused = press(state__data=GPT2.replace("count=1", "count=x"))
        told = texts(refused["pressed.children"])
        assert told == (
            "The button changed nothing, because: "
            "count: found 'x'; expected a whole number, at least 1, of at most 9 digits"
        )
        assert "address.data" not in refused
        assert press(state__data=GPT2)["pressed.children"] == []


class TestServer:
    def test_everything_comes_from_the_server_itself(self, client):
        page = client.http.get("/").text
        assert 'src="http' not in page
        assert 'href="http' not in page
        with client.http.get("/assets/dashboard.js") as script:
            assert script.status_code == 200

    def test_requests_are_limited(self, client):
        done = client.http.post("/_dash-update-component", json="x" * (BODY + 1))
        assert done.status_code == 413

    def test_only_its_own_names_are_answered(self, client):
        for host, status in (("evil.example:8050", 403), ("127.0.0.1:8050", 200), ("[::1]:8050", 200)):
            assert client.http.get("/", headers={"Host": host}).status_code == status

    def test_the_foot_states_host_and_limits(self, client):
        layout = client.http.get("/_dash-layout").json
        told = texts(layout["props"]["children"][-1])
        for part in ("http://127.0.0.1:8050/", "Nothing is uploaded", "64 KiB", "4,000 characters"):
            assert part in told
