"""`simdl collectives --stepwise`: messages as events beside the folded form, on clusters by name."""

import json

import pytest
from click.testing import CliRunner

import simdl
from planner.cli import main
from simdl.communication import ALGORITHMS, Operation
from simdl.communication.stepwise.registry import FORMS


def rows(*arguments):
    done = CliRunner().invoke(main, ("collectives", "--stepwise", "--json", *arguments))
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["stepwise"]


@pytest.mark.theory
@pytest.mark.parametrize("op", [each.value for each in FORMS])
@pytest.mark.parametrize("cluster", ["dgx-a100:1", "p2-xlarge:8"])
def test_on_uniform_networks_messages_take_what_the_closed_form_says(op, cluster):
    found = rows("--cluster", cluster, "--op", op, "--algorithm", "all", "--size", "1MiB")
    assert found
    for row in found:
        assert row["time"] == pytest.approx(row["closed_form"], rel=1e-9), row["algorithm"]


def test_every_algorithm_of_libraries_has_messages_but_the_one_that_a_switch_runs():
    for operation, forms in FORMS.items():
        assert set(ALGORITHMS[operation]) - set(forms) <= {"in_switch", "hierarchical"}
    assert set(FORMS) == set(Operation) & set(FORMS)


def test_messages_that_share_a_root_take_longer_than_the_closed_form():
    """Devices below two PCIe switches: pairs at distance four all cross the root's one link each way."""
    found = {
        row["algorithm"]: row["time"] / row["closed_form"]
        for row in rows("--cluster", "p40-roce100:1", "--algorithm", "all", "--size", "64MiB")
    }
    assert found["ring"] == pytest.approx(1.0, rel=1e-6)
    assert found["recursive_doubling"] > 1.5


def test_nodes_further_apart_are_slower_than_neighbours():
    ring = rows("--cluster", "dgx-a100:2", "--algorithm", "ring", "--size", "64MiB")[0]
    near = rows("--cluster", "dgx-a100:2", "--algorithm", "ring", "--size", "64MiB", "--ranks", "8")[0]
    assert ring["messages"] == 2 * 15 * 16
    assert ring["time"] > 4 * near["time"]
    apart = rows(
        "--cluster", "dgx-a100:2", "--algorithm", "ring", "--size", "64MiB", "--ranks", "2", "--stride", "8"
    )
    assert apart[0]["messages"] == 4


def test_the_table_and_python_say_the_same():
    text = (
        CliRunner()
        .invoke(
            main,
            ("collectives", "--stepwise", "--cluster", "dgx-a100:1", "--algorithm", "ring", "--size", "1MiB"),
        )
        .stdout
    )
    assert "step by step" in text
    found = simdl.collectives("dgx-a100:1", algorithm="ring", size="1MiB", stepwise=True)
    assert found.answer["stepwise"][0]["messages"] == 112
    assert "+0.0%" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--cluster", "dgx-h100:4", "--algorithm", "in_switch"),
            "found in_switch; expected --algorithm all or one of ring",
        ),
        (
            ("--cluster", "dgx-h100:128", "--algorithm", "ring"),
            "found a group of 1,024; expected 2 to 256 ranks",
        ),
        (("--cluster", "dgx-h100:1", "--ranks", "1"), "found a group of 1; expected 2 to 256 ranks"),
        (("--cluster", "dgx-h100:24", "--algorithm", "ring"), "found more than 60,000 messages"),
        (
            ("--cluster", "dgx-h100:1", "--size", "1GiB"),
            "which nccl takes for 1.0 GiB; expected --algorithm all",
        ),
    ],
)
def test_what_cannot_be_run_step_by_step_is_refused(arguments, message):
    done = CliRunner().invoke(main, ("collectives", "--stepwise", *arguments))
    assert done.exit_code == 2
    assert message in done.stderr
