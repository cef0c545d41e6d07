"""What the dashboard's controls offer, what "auto" stands for, and the buttons that mend a card."""

import pytest
from dashboard_client import GPT2, GPT3, Client, parts, texts, verdict
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.dashboard.catalog import Asked, ask, build_catalog
from planner.dashboard.positions import (
    MENUS,
    SLIDERS,
    faults,
    offers,
    position_of,
    with_text,
    without_left,
)
from planner.dashboard.state import parse_state
from planner.questions.strategy_file import build_strategy
from planner.remedies.ways_out import ways_out

MIXTRAL = "model=mixtral-8x7b&node=dgx-h100&count=2&"
START = "a.tp=8&a.pp=8&a.micro_batch=2&a.zero=1&a.sequence_parallel=true"


@pytest.fixture(scope="module")
def client():
    return Client()


def offered(client, query):
    """What the controls of A offer in a state, by field."""
    state = parse_state(query)
    question = ask(state.asked, client.catalog)
    found = offers(question, state.asked.stack, state.strategies[0])
    return {name: list(offer.texts) for name, offer in found.items()}


class TestOffers:
    def test_sliders_end_at_what_divides(self, client):
        found = offered(client, GPT3 + START)
        assert found["tp"] == ["1", "2", "4", "8", "16", "32"]  # 96 heads
        assert found["pp"] == ["1", "2", "4", "8", "16", "32", "64"]  # 98 blocks
        assert found["micro_batch"] == ["1", "2", "3", "4", "6", "8", "12", "16", "24", "32", "48", "96"]
        assert found["shard_degree"] == ["all", "2", "4", "8", "16"]
        assert found["virtual_stages"] == ["1"]  # one stage a rank under 1f1b
        assert found["zero"] == ["0", "1"]  # a pipeline keeps its gradients
        assert found["cp"] == ["1"]  # not offered by the stack
        assert (found["dp"], found["ep"], found["etp"]) == (["auto"], ["1"], ["tp"])

    def test_the_order_of_the_pipeline_opens_virtual_stages(self, client):
        found = offered(client, f"{GPT3}{START}&a.schedule=interleaved-1f1b")
        assert found["virtual_stages"] == ["1", "2", "3", "4", "6", "12"]

    def test_experts_are_divided_as_frameworks_divide_them(self, client):
        found = offered(client, f"{MIXTRAL}a.tp=2&a.sequence_parallel=true")
        assert found["ep"] == ["1", "2", "4", "8"]
        assert found["etp"] == ["tp", "1", "2", "4", "8", "16"]
        within = offered(client, f"{MIXTRAL}a.tp=2&a.ep=4&a.sequence_parallel=true")
        assert within["etp"] == ["tp", "1", "2", "4"]  # of 16 ranks

    def test_menus_end_at_what_the_stack_offers(self, client):
        named = f"{GPT3}stack=megatron-2023&{START}"
        assert offered(client, named)["schedule"] == ["1f1b", "interleaved-1f1b"]
        more = offered(client, f"{GPT3}stack=torchtitan&a.pp=8&a.tp=8&a.sequence_parallel=true")["schedule"]
        assert "gpipe" in more
        assert offered(client, "model=resnet50&node=dgx-a100&count=1")["recompute"] == ["none", "full"]
        assert (
            offered(client, "model=resnet50&node=dgx-a100&count=1&stack=deepspeed&a.tp=1")["zero"][-1] == "3"
        )

    def test_why_a_value_is_not_offered_is_told(self, client):
        state = parse_state(GPT3 + START)
        found = offers(ask(state.asked, client.catalog), None, state.strategies[0])
        assert found["tp"].withheld[0].startswith("not 64: tp 64 does not divide 96")

    def test_a_rank_alone_leaves_sequence_parallelism_out(self, client):
        state = parse_state(GPT3 + START)
        alone = with_text("tp", "1", state.strategies[0])
        assert "sequence_parallel" not in alone
        assert faults(ask(state.asked, client.catalog), None, alone) == ()
        assert with_text("tp", "2", state.strategies[0])["sequence_parallel"]

    def test_what_is_chosen_stays_where_nothing_is_known(self):
        values = {"tp": 7, "dp": 5, "micro_batch": 1000, "shard_degree": 3}
        for name, offer in offers(None, None, values).items():
            if name in SLIDERS:
                default = {"dp": "auto", "shard_degree": "all", "etp": "tp", "zero": "0"}.get(name, "1")
                assert offer.texts[position_of(name, offer.texts, values)] == str(values.get(name, default))

    def test_a_degree_that_is_what_the_others_leave_is_auto(self):
        assert without_left({"dp": 4, "tp": 2}, 8) == {"tp": 2}
        assert without_left({"dp": 2, "tp": 2}, 8) == {"dp": 2, "tp": 2}

    @pytest.mark.property
    @settings(max_examples=12)
    @given(st.data())
    def test_every_value_that_is_offered_can_be_carried_out(self, data):
        model, node = data.draw(
            st.sampled_from([("gpt2", "dgx-a100"), ("mixtral-8x7b", "dgx-h100"), ("resnet50", "dgx-1-v100")])
        )
        question = ask(Asked(model=model, node=node, count=2), build_catalog())
        values = {}
        for _ in range(data.draw(st.integers(1, 4))):
            found = offers(question, None, values)
            name = data.draw(st.sampled_from([*SLIDERS, *MENUS]))
            text = data.draw(st.sampled_from(found[name].texts))
            values = with_text(name, text, values)
            if model != "mixtral-8x7b":  # whose tensor parallelism needs a switch beside it
                assert faults(question, None, values) == ()


class TestAuto:
    def test_auto_says_what_it_chose(self, client):
        data = client.call("possible.data", "answered.data", answered__data=GPT3 + START)["possible.data"]
        assert data["auto"] == {"a.dp": "auto: 16", "a.shard_degree": "all: 16", "a.etp": "tp: 8"}
        assert data["hints"] == {
            "global_batch": "auto: 1536",
            "seq_len": "auto: 2048",
            "precision": "auto: bf16",
            "optimizer": "auto: adam",
            "stack": "auto: megatron-2023",
        }
        orders = {"1f1b", "breadth-first", "dualpipe", "gpipe", "interleaved-1f1b", "zb-h1", "zb-h2"}
        assert set(data["menus"]["a.schedule"]) == orders  # each runs in the stack that is made for it
        assert data["switches"] == {"a.sequence_parallel": True}
        query = f"{GPT3}{START}&a.schedule=zb-h1"
        data = client.call("possible.data", "answered.data", answered__data=query)["possible.data"]
        assert data["hints"]["stack"] == "auto: zero-bubble"

    def test_experts_have_sliders_where_there_are_any(self, client):
        for query, shown in ((MIXTRAL, True), (GPT2, False)):
            data = client.call("possible.data", "answered.data", answered__data=query)["possible.data"]
            assert ("none" in data["sliders"]["a.ep"]["className"]) is not shown

    def test_the_cut_that_was_chosen_is_told(self, client):
        card = verdict(client, f"{GPT3}{START}&a.recompute=full")["verdict.children"]
        assert "blocks by stage, cut automatically: 13, 6 x 12, 13" in texts(card)

    def test_hardware_of_b_is_a_unless_it_is_said(self, client):
        query = f"{GPT2}b.node=dgx-1-v100&b.tp=2"
        hints = client.call("possible.data", "answered.data", answered__data=query)["possible.data"]["hints"]
        assert (hints["b.node"], hints["b.count"]) == ("auto: dgx-1-v100", "auto: 1")
        assert hints["b.precision"] == "auto: fp16"  # V100s have no bf16


def fixes(client, query):
    """Texts of the buttons of a state's cards, and the states that they lead to."""
    buttons = parts(verdict(client, query)["verdict.children"], "Button")
    return {texts(button): button["props"]["id"]["to"] for button in buttons}


class TestFixes:
    def test_the_remedies_are_those_of_simulate(self, client):
        query = GPT3 + "stack=megatron-2022&a.tp=8&a.pp=8"
        found = fixes(client, query)
        state = parse_state(query)
        question = ask(state.asked, client.catalog)
        side = {"tp": 8, "pp": 8, "dp": 16}
        expected = ways_out(build_strategy(side, question.cluster), question, question.options)
        assert list(found) == [
            *(f"Apply --stack {name}" for name in expected.stacks),
            "Apply --zero 1",
            "Apply --recompute full",
        ]
        for target in found.values():
            assert "Does not fit" not in texts(verdict(client, target)["verdict.children"])

    @pytest.mark.parametrize(
        ("query", "text"),
        [
            (GPT2 + "a.tp=5", "Apply --dp 2 --tp 4"),
            (GPT2 + "a.tp=2&a.zero=3&a.pp=2", "Apply --zero 1"),
            (GPT2 + "a.sequence_parallel=true", "Apply --no-sequence-parallel"),
            (GPT2 + "a.pp=2&a.schedule=zigzag", "Apply the default of schedule"),
            (GPT2 + "a.pp=2&a.stages=3-4", "Apply the default of stages"),
            (MIXTRAL + "a.tp=2&a.ep=3", "Apply --dp 16 --tp 1 --ep 2"),  # two changes, none suffices alone
            (GPT3 + "global_batch=20000&a.tp=8&a.pp=64", "Apply --micro-batch 8"),
            ("model=gpt2&node=dgx-1-v100&count=1&precision=bf16", "Apply the default of precision"),
            ("model=gpt5&node=dgx-a100&count=1", "Apply model gpt2"),
            ("model=gpt2&node=dgx-a100&count=0", "Apply the default of count"),
            (GPT2 + "b.node=dgx-1-v100&b.precision=bf16", "Apply B's precision as A's"),
        ],
    )
    def test_what_is_refused_offers_a_way_out(self, client, query, text):
        found = fixes(client, query)
        assert text in found
        assert "cannot be" not in texts(verdict(client, found[text])["verdict.children"])

    def test_where_nothing_fits_nothing_is_offered(self, client):
        query = "model=gpt3-175b&node=dgx-1-p100&count=1&precision=fp16&global_batch=8"
        told = texts(verdict(client, query)["verdict.children"])
        assert "Nothing else fits either: more devices, or larger ones." in told
        assert fixes(client, query) == {}
