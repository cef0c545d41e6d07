"""The state of the dashboard: a query string that restores it, or says what is wrong with it."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.dashboard.catalog import Asked, ask, build_catalog
from planner.dashboard.state import (
    LENGTH,
    State,
    StateError,
    format_state,
    parse_state,
    start_state,
    strategy_values,
)
from planner.questions.strategy_file import build_strategy
from simdl.errors import SimdlError
from simdl.pipelines import PIPELINES
from simdl.step.strategy import Recompute, Strategy
from workloads.errors import UnknownNameError

START = "model=gpt3-175b&node=dgx-a100&count=128"
COUNTS = st.integers(1, 10**9 - 1)
WORDS = st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=20)
LAYERS = st.from_regex(r"[a-z][a-z0-9_.-]{0,8}/[a-z][a-z0-9_.-]{0,8}", fullmatch=True)
STRATEGIES = st.builds(
    Strategy,
    dp=COUNTS,
    tp=COUNTS,
    pp=COUNTS,
    cp=COUNTS,
    micro_batch=COUNTS,
    schedule=st.sampled_from(sorted(PIPELINES)),
    virtual_stages=COUNTS,
    recompute=st.sampled_from(Recompute),
    recompute_layers=st.integers(0, 9),
    savers=st.sampled_from(["", "keep, 2x [3x keep], *x full+optimizer"]),
    zero=st.integers(0, 3),
    shard_degree=st.integers(0, 64),
    sequence_parallel=st.booleans(),
    stages=st.lists(st.integers(1, 99), max_size=4).map(tuple),
    split_degree=COUNTS,
    splits=st.dictionaries(LAYERS, st.sampled_from(["sample", "spatial 2x1", "row 4"]), max_size=3).map(
        lambda splits: tuple(splits.items())
    ),
)
QUESTIONS = st.builds(
    Asked,
    model=WORDS,
    node=WORDS,
    count=COUNTS,
    global_batch=st.none() | COUNTS,
    seq_len=st.none() | COUNTS,
    precision=st.none() | WORDS,
    optimizer=st.none() | WORDS,
    stack=st.none() | WORDS,
)
HARDWARE = st.fixed_dictionaries(
    {}, optional={"node": WORDS, "count": COUNTS, "stack": WORDS, "precision": WORDS}
)
CRITERIA = st.fixed_dictionaries({}, optional={"price": WORDS, "horizon": WORDS, "dataset": WORDS})


@cache
def built_catalog():
    return build_catalog()


@pytest.fixture(scope="module")
def catalog():
    return built_catalog()


@pytest.mark.property
@given(QUESTIONS, st.lists(STRATEGIES, min_size=1, max_size=2), HARDWARE, CRITERIA)
def test_a_query_restores_the_state_it_was_made_of(asked, strategies, hardware, criteria):
    elsewhere = hardware if len(strategies) > 1 else {}
    state = State(
        asked=asked, strategies=tuple(map(strategy_values, strategies)), hardware=elsewhere, criteria=criteria
    )
    query = format_state(state)
    if len(query) > LENGTH:
        with pytest.raises(StateError, match="expected at most 4,000"):
            parse_state(query)
        return
    restored = parse_state("?" + query)
    assert (restored.asked, restored.hardware, restored.criteria) == (asked, elsewhere, criteria)
    cluster = ask(Asked(model="gpt2", node="dgx-a100", count=1), built_catalog()).cluster
    assert [build_strategy(values, cluster) for values in restored.strategies] == strategies


def test_what_is_missing_is_left_to_the_defaults():
    state = parse_state(f"{START}&seq_len=&a.tp=8")
    assert state.asked == Asked(model="gpt3-175b", node="dgx-a100", count=128)
    assert state.strategies == ({"tp": 8},)
    assert parse_state(START).strategies == ({},)
    assert parse_state(f"{START}&b.pp=2").strategies == ({}, {"pp": 2})
    assert parse_state(f"{START}&b.node=dgx-h100") == State(
        asked=state.asked, strategies=({}, {}), hardware={"node": "dgx-h100"}
    )


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (f"{START}&x=1", "x: unknown key; expected model"),
        (f"{START}&a.tpp=1", "a.tpp: unknown key; did you mean 'a.tp'?"),
        (f"{START}&c.tp=1", "c.tp: unknown key"),
        (f"{START}&a.node=dgx-h100", "a.node: unknown key; did you mean"),
        (f"{START}&b.count=0", "b.count: found '0'; expected a whole number, at least 1"),
        (f"{START}&model=gpt2", "model: given 2 times; expected once"),
        ("model=gpt2", "node: missing; count: missing"),
        (f"{START}&a.tp=-1", "a.tp: found '-1'; expected a whole number, at least 1"),
        (f"{START}&a.tp=0", "a.tp: found '0'; expected a whole number, at least 1"),
        (f"{START}&a.tp=2.0", "a.tp: found '2.0'; expected a whole number"),
        (f"{START}&a.tp=²", "a.tp: found '²'; expected a whole number"),
        (f"{START}&a.tp=1000000000", "of at most 9 digits"),
        (f"{START}&a.zero=x", "a.zero: found 'x'; expected a whole number, at least 0"),
        (f"{START}&a.stages=3-x", "a.stages: found '3-x'; expected a whole number, at least 1"),
        (f"{START}&a.sequence_parallel=yes", "expected true or false"),
        (f"{START}&global_batch=many&seq_len=0", "global_batch: found 'many'"),
        ("x" * (LENGTH + 1), "4,001 characters; expected at most 4,000"),
    ],
)
def test_a_query_that_is_no_state_says_why(query, fault):
    with pytest.raises(StateError) as caught:
        parse_state(query)
    assert fault in str(caught.value)
    assert caught.value.faults


def test_every_fault_is_told_at_once():
    with pytest.raises(StateError) as caught:
        parse_state(f"{START}&x=1&a.tp=none&b.zero=-1")
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize("name", ["/etc/passwd", "../mine.toml", "config.json", "gpt3-175c", ""])
def test_only_names_of_the_catalog_are_asked_for(catalog, name):
    with pytest.raises(UnknownNameError, match="unknown network"):
        ask(Asked(model=name, node="dgx-a100", count=1), catalog)
    with pytest.raises(ValueError, match="unknown node type"):
        ask(Asked(model="gpt2", node=name, count=1), catalog)


def test_files_named_at_the_start_are_part_of_the_catalog(tmp_path):
    model, cluster = tmp_path / "config.json", tmp_path / "mine.toml"
    model.write_text(
        '{"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "n_positions": 128, '
        '"vocab_size": 100}'
    )
    cluster.write_text(
        'description = "made up"\ncount = 3\ndevice = "t4"\n'
        '[sources.s]\nkind = "datasheet"\ntitle = "A sheet"\nlocation = "https://example.org"\n'
        "read_on = 2026-11-21\n"
        + "".join(
            f'[[levels]]\nname = "{name}"\nlink = "pcie3-x16"\ntopology = "switch"\n'
            f'size = {{ value = {size}, source = "s" }}\nports = {{ value = 1, source = "s" }}\n'
            for name, size in (("node", 8), ("network", 0))
        )
    )
    catalog = build_catalog((str(model),), (str(cluster),))
    state = start_state(catalog)
    assert state.asked == Asked(model=str(model), node=str(cluster), count=3)
    question = ask(Asked(model=str(model), node=str(cluster), count=5, precision="fp16"), catalog)
    assert question.cluster.devices == 40
    assert question.workload.network.depth == 4
    with pytest.raises(UnknownNameError):
        ask(state.asked, build_catalog())


def test_names_that_are_no_files_are_refused_at_the_start():
    with pytest.raises(SimdlError, match=r"--model gpt2: expected a .toml or .json file"):
        build_catalog(("gpt2",))
    with pytest.raises(SimdlError, match=r"--cluster dgx-a100: expected a .toml file"):
        build_catalog((), ("dgx-a100",))
    with pytest.raises(ValueError, match="cannot be read"):
        build_catalog((), ("gone.toml",))
