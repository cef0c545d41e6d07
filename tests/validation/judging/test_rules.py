"""Rules as data: what a file says, and every fault of it in one message."""

from dataclasses import dataclass
from typing import Literal

import pytest

from validation.errors import RulesError
from validation.judging.rules import Pattern, first_match, parse_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    size: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dish:
    pattern: Pattern
    count: int
    kind: Literal["hot", "cold"] = "hot"
    part: Part | None = None


def read(text):
    return parse_rules(text, "dishes.toml", Dish)


def test_the_first_pattern_found_applies_whatever_its_case():
    rules = read("rule = [{ pattern = 'so.p', count = 1 }, { pattern = '', count = 2 }]")
    assert first_match(rules, "Tomato SOUP").count == 1
    assert first_match(rules, "bread").count == 2
    assert first_match(rules[:1], "bread") is None


def test_a_rule_takes_from_the_one_it_is_like_what_it_leaves_out():
    shared = "[shared.ice]\ncount = 1\nkind = 'cold'\npart = { size = 2 }\n"
    (rule,) = read(shared + "[[rule]]\nlike = 'ice'\ncount = 3\npattern = 'i'")
    assert (rule.count, rule.kind, rule.part) == (3, "cold", Part(size=2.0))


def test_every_fault_of_a_file_is_said_at_once():
    text = """
    spare = 1
    [shared.ice]
    kind = "cold"
    [[rule]]
    pattern = 'a(b'
    count = "3"
    colour = "red"
    [[rule]]
    pattern = 'x'
    like = "fire"
    kind = "lukewarm"
    part = { length = 2 }
    """
    with pytest.raises(RulesError) as error:
        read(text)
    lines = str(error.value).splitlines()
    assert all(line.startswith("dishes.toml: ") for line in lines)
    for said in (
        "spare: unknown key; expected rule or shared",
        "shared.ice: no rule is like it; remove it",
        "rule 2: like: found 'fire'; expected one of ice",
        "rule 1: pattern: found 'a(b'; input should be a valid regular expression",
        "rule 1: count: found '3'; input should be a valid integer",
        "rule 1: colour: found 'red'; unexpected keyword argument",
        "rule 2: count: found nothing; field required",
        "rule 2: kind: found 'lukewarm'; input should be 'hot' or 'cold'",
        "rule 2: part.size: found nothing; field required",
        "rule 2: part.length: found 2; unexpected keyword argument",
    ):
        assert sum(line.endswith(said) for line in lines) == 1, said
    assert len(lines) == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [("rule = ", "dishes.toml: not TOML: "), ("", "dishes.toml: rule: missing; expected at least one")],
)
def test_what_holds_no_rules_is_refused(text, said):
    with pytest.raises(RulesError, match=said):
        read(text)
