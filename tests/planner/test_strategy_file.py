"""Strategy files: what is written is read back, whatever the title."""

import pytest
from builders import build_cluster
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_dashboard_state import STRATEGIES

from planner.questions.strategy_file import build_strategy, format_strategy_file, load_strategy
from simdl.errors import StrategyError
from simdl.step.strategy import Recompute, Strategy

TITLES = st.text(st.characters(min_codepoint=32, blacklist_characters="\x7f", blacklist_categories=("Cs",)))


@pytest.mark.property
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STRATEGIES, TITLES)
def test_a_written_strategy_is_read_back(tmp_path, strategy, title):
    path = tmp_path / "strategy.toml"
    path.write_text(format_strategy_file(strategy, title=title), encoding="utf-8")
    assert load_strategy(str(path), build_cluster()) == strategy


def test_a_file_names_every_field_but_an_even_cut():
    strategy = Strategy(tp=2, recompute=Recompute.FULL, sequence_parallel=True)
    assert format_strategy_file(strategy, title="two\nlines") == (
        "# two\n# lines\ndp = 1\ntp = 2\npp = 1\ncp = 1\nep = 1\netp = 0\n"
        'micro_batch = 1\nschedule = "1f1b"\n'
        'virtual_stages = 1\nrecompute = "full"\nzero = 0\nshard_degree = 0\nsequence_parallel = true\n'
        "split_degree = 1\n"
    )


def test_a_file_holds_splits_as_a_table(tmp_path):
    splits = (("conv1/conv1", "spatial 2x2"), ("fc/fc", "row 4"))
    strategy = Strategy(dp=2, split_degree=4, micro_batch=8, splits=splits)
    path = tmp_path / "strategy.toml"
    path.write_text(format_strategy_file(strategy, title="split"), encoding="utf-8")
    assert '[splits]\n"conv1/conv1" = "spatial 2x2"\n' in path.read_text(encoding="utf-8")
    assert load_strategy(str(path), build_cluster()) == strategy


@pytest.mark.parametrize(
    "text",
    [
        "splits = 3",
        'splits = ["conv1"]',
        '[splits]\n"conv1/conv1" = 4',
        'splits = [["a", "row 2"], ["a", "row 4"]]',
    ],
)
def test_splits_that_are_no_table_of_texts_are_refused(tmp_path, text):
    path = tmp_path / "strategy.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(StrategyError, match=r"splits.*: (found|given).*; expected"):
        load_strategy(str(path), build_cluster())


def test_replicas_are_what_pipeline_and_splits_leave():
    assert build_strategy({"pp": 2, "split_degree": 2}, build_cluster(nodes=4)).dp == 4
