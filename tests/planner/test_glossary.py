"""The glossary: every shorthand that strategies and tables print, in the document and on the pages."""

import re
from html import unescape

import pytest
from project import ROOT

from planner.console.format import format_strategy
from planner.pages.glossary import glossary, glossary_document, glossary_html
from planner.pages.page import Page, render_page
from simdl.program.action import Cause
from simdl.step.strategy import Strategy

WORDS = {word: text for words in glossary().values() for word, text in words.items()}
ALL = " ".join((*WORDS, *WORDS.values()))
EVERYTHING = (
    Strategy(),
    Strategy(dp=8, tp=2, cp=2, ep=2, etp=1, micro_batch=2, zero=1, shard_degree=8, sequence_parallel=True),
    Strategy(pp=2, schedule="interleaved-1f1b", virtual_stages=12, recompute="full"),
    Strategy(dp=2, pp=2, stages=(3, 5), shares=(3, 5), recompute="selective", savers=""),
    Strategy(pp=2, schedule="gpipe", compression="topk:16,512"),
    Strategy(split_degree=4, splits={"conv1/conv1": "spatial 2x2"}, savers="keep, *x offload"),
)


def test_the_document_is_the_list_of_the_pages():
    written = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    assert written == glossary_document(), "python -m planner.pages.glossary > docs/glossary.md"


def test_every_shorthand_of_a_strategy_is_explained():
    shown = " ".join(re.sub(r"\(.*?\)", "", format_strategy(strategy)) for strategy in EVERYTHING)
    letters = (word.partition(":")[0] for word in shown.split() if re.search("[A-Za-z]", word))
    words = {re.sub(r"(?<=[A-Za-z])[\d/-]+$", "", word) for word in letters}
    assert {word for word in words if not re.search(rf"\b{re.escape(word)}\b", ALL)} == set()


def test_every_cause_is_explained():
    names = [cause.value.replace("_", " ").removesuffix(" communication") for cause in Cause]
    assert [name for name in names if name not in ALL] == []


@pytest.mark.parametrize(
    "word", ["mb", "SP", "ZeRO-1", "ZeRO-1/8", "interleaved x12", "bubble", "MFU", "HFU"]
)
def test_a_newcomers_word_has_an_entry_of_its_own(word):
    assert WORDS[word].endswith(".")


def test_every_page_carries_it_and_links_to_it():
    page = render_page(Page(title="t", headline="h", lines=("a line",), sections=(), data={}))
    assert page.count('id="glossary"') == 1
    assert '<a href="#glossary">' in page
    assert glossary_html() in page
    listed = unescape(glossary_html())
    assert all(f"<dt>{word}</dt>" in listed for word in WORDS)
