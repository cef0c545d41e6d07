"""`simdl collectives` and `simdl validate collectives` as a user meets them."""

import json

import pytest
from click.testing import CliRunner

from planner.commands.collectives import collectives, parse_sizes
from validation.commands.collectives import collectives as validate_collectives


def run(command, *arguments):
    return CliRunner().invoke(command, list(arguments))


def test_sizes():
    assert parse_sizes("1KiB..4KiB") == [1024, 2048, 4096]
    assert parse_sizes("3KiB..9KiB") == [4096, 8192]
    assert parse_sizes("1 MB") == [1_000_000]


def test_json_has_a_row_per_size():
    done = run(collectives, "--cluster", "dgx-a100:2", "--op", "all_reduce", "--size", "1KiB..1GiB", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)["rows"]
    assert [row["size"] for row in rows] == [2**k for k in range(10, 31)]
    assert set(rows[0]) == {"size", "time", "algorithm", "algorithm_bandwidth", "bus_bandwidth"}
    times = [row["time"] for row in rows]
    assert times == sorted(times)


def test_all_algorithms_that_apply_are_listed():
    done = run(
        collectives,
        "--cluster",
        "dgx-a100:1",
        "--size",
        "64MiB",
        "--algorithm",
        "all",
        "--ranks",
        "4",
        "--json",
    )
    names = {row["algorithm"] for row in json.loads(done.stdout)["rows"]}
    assert {"ring", "double_tree", "rabenseifner", "parameter_server"} <= names
    assert "in_switch" not in names


def test_table():
    done = run(collectives, "--cluster", "dgx-h100:2", "--size", "1GiB")
    assert done.exit_code == 0, done.output
    assert "bus bandwidth" in done.stdout
    assert "in_switch" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cluster", "dgx-a10:2"], "did you mean"),
        (["--cluster", "dgx-a100:2", "--ranks", "17"], "at most 16 devices"),
        (["--cluster", "dgx-a100:2", "--size", "1K"], "1 K"),
        (["--cluster", "dgx-a100:2", "--size", "5KiB..6KiB"], "--size: no power of two in '5KiB..6KiB'"),
        (["--cluster", "dgx-a100:2", "--size", "0"], "--size: '0' has no unit"),
        (["--cluster", "dgx-a100:2", "--size", "0B"], "--size: found '0B'; expected at least 1 B"),
        (
            ["--cluster", "dgx-a100:2", "--size", "1MiB.."],
            "--size: found '1MiB..'; expected a size, or LOW..",
        ),
        (["--cluster", "dgx-a100:2", "--size=-1B..4B"], "--size: found '-1B'; expected at least 0 B"),
        (["--cluster", "dgx-a100:2", "--algorithm", "wheel"], "expected auto or one of ring"),
        (["--cluster", "dgx-a100:2", "--library", "ncl"], "did you mean nccl"),
        (["--cluster", "dgx-a100:2", "--op", "gossip"], "gossip"),
        (
            ["--cluster", "dgx-a100:1", "--ranks", "1", "--stride", "3"],
            "--stride 3: found with a group of 1 rank; expected --ranks of at least 2",
        ),
        (
            ["--cluster", "dgx-a100:1", "--ranks", "1", "--algorithm", "ring"],
            "--algorithm ring: found with a group of 1 rank, which sends nothing; expected --ranks of at",
        ),
        (["--cluster", "dgx-a100:1", "--ranks", "1", "--library", "ncl"], "did you mean nccl"),
    ],
)
def test_bad_input_is_one_message_and_status_two(arguments, message):
    done = run(collectives, *arguments)
    assert done.exit_code == 2
    assert message.replace("1 K", "K") in done.output
    assert "Traceback" not in done.output


def test_one_rank_alone_sends_nothing():
    done = run(collectives, "--cluster", "dgx-a100:1", "--ranks", "1", "--size", "1MiB", "--json")
    assert [row["time"] for row in json.loads(done.stdout)["rows"]] == [0]


def test_validate_reports_rows_and_summary():
    done = run(validate_collectives, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    first = report["rows"][0]
    assert {"file", "row", "item", "measured", "predicted", "unit", "skipped"} <= set(first)
    overall = report["summary"]["overall"]
    assert overall["predicted"] + overall["skipped"] == len(report["rows"])


def test_validate_refuses_other_tables(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("a,b\n1,2\n")
    done = run(validate_collectives, "--data", str(path))
    assert done.exit_code == 2
    assert "odd.csv" in done.output
