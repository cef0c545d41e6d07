"""Leaving groups out: the refit never sees the group, groups partition the rows, the weakest comes first."""

import json

import pytest
from click.testing import CliRunner

from validation.commands.transfer import transfer
from validation.fit.evidence import gather, measured_rows
from validation.published.tables import load_published
from validation.transfer import leave_out as module
from validation.transfer.groups import GROUPINGS
from validation.transfer.leave_out import leave_out, left_out_groups
from validation.transfer.report import group_rows, stratum_rows

TABLES = ("torchtitan.csv", "maxtext-tpu.csv")


@pytest.fixture(scope="module")
def rows():
    chosen = [row for row in load_published().rows if row.file in TABLES and row.number % 4 == 1]
    return list(measured_rows(chosen))


@pytest.fixture(scope="module")
def results(rows):
    return leave_out(rows, "table")


def test_groups_partition_the_rows_and_are_not_in_their_own_refit(rows, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "solve", lambda evidence: seen.append(evidence) or {})
    groups = list(left_out_groups(rows, gather(rows), "device", lambda _: None))
    assert sum(len(group.rows) for group in groups) == len(rows)
    touched = [group for group in groups if group.touched]
    assert touched
    for group, kept in zip(touched, seen, strict=True):
        assert not {id(row) for row in group.rows} & {id(row) for each in kept for row in each.rows}


def test_a_group_without_influence_is_predicted_as_shipped(results):
    alone = results[results["group"] == "maxtext-tpu.csv"]
    assert not alone["used"].any()
    assert (alone["left_out"] == alone["shipped"]).all()
    fitted = results[results["group"] == "torchtitan.csv"]
    assert fitted["used"].all()
    assert (fitted["left_out"] != fitted["shipped"]).any()


def test_reports_name_the_weakest_first(results):
    medians = [float(cells[5].rstrip("%")) for cells in group_rows(results)]
    assert medians == sorted(medians, reverse=True)
    assert stratum_rows(results)[-1][0] == "all"


@pytest.mark.parametrize("grouping", sorted(GROUPINGS))
def test_every_grouping_names_every_row(rows, grouping):
    assert all(GROUPINGS[grouping](row) for row in rows)


def test_the_command_prints_json_by_group():
    arguments = ["--leave-out", "table", "--table", "torchtitan.csv", "--every", "6", "--json"]
    result = CliRunner().invoke(transfer, arguments)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["leave_out"] == "table"
    assert {"left_out", "fitted", "unknown_source"} <= answer["summary"]["groups"]["torchtitan.csv"].keys()
    assert all(row["left_out"] > 0 for row in answer["rows"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--leave-out", "colour"), "is not one of"),
        (("--table", "none.csv"), "expected a training table"),
        (("--every", "0"), "0 is not in the range"),
    ],
)
def test_bad_input_is_one_message(arguments, message):
    result = CliRunner().invoke(transfer, arguments)
    assert result.exit_code == 2
    assert message in result.stderr
