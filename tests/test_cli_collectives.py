"""`simdl collectives` and `simdl validate collectives` as a user meets them."""

import json

import pytest
from click.testing import CliRunner

from planner.commands.collectives import collectives
from planner.questions.collectives import parse_sizes
from validation.commands.collectives import collectives as validate_collectives
from validation.sweeps.compare import PUBLISHED


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
    assert {"size", "time", "algorithm", "algorithm_bandwidth", "bus_bandwidth"} <= set(rows[0])
    assert all(row["chosen"] for row in rows)
    assert all(row["lower_bound"] < row["time"] for row in rows)


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


@pytest.mark.parametrize(
    ("cluster", "library"),
    [("mi300x-node:1", "rccl"), ("tpu-v4-slice:1", "xla"), ("cpu-node:1", "gloo"), ("dgx-a100:1", "nccl")],
)
def test_the_library_is_the_devices_own(cluster, library):
    done = run(collectives, "--cluster", cluster, "--ranks", "2", "--size", "1MiB", "--json")
    assert json.loads(done.stdout)["library"] == library


def test_choice_and_crossovers_are_said():
    asked = ("--cluster", "dgx-h100:1", "--size", "1KiB..1GiB")
    found = json.loads(run(collectives, *asked, "--json").stdout)
    assert [(step["algorithm"], step["protocol"]) for step in found["choice"]] == [
        ("ring", "ll"),
        ("in_switch", "simple"),
    ]
    assert (
        2**20 < found["choice"][1]["size"] < 2**21
    )  # a sweep of NCCL 2.27.7 saw LL to 1 MiB, NVLS from 2 MiB
    sizes = [step["size"] for step in found["crossovers"]]
    assert sizes == sorted(sizes)
    assert found["version"] == "2.27.7"
    text = run(collectives, *asked).stdout
    assert "choice of nccl 2.27.7: ring ll, in_switch simple from 1.1 MiB" in text
    every = json.loads(run(collectives, *asked, "--algorithm", "all", "--json").stdout)["rows"]
    marked = [row for row in every if row["chosen"]]
    assert len(marked) == len(found["rows"])


@pytest.mark.published
@pytest.mark.parametrize(
    ("arguments", "measured", "within"),
    [  # bus bandwidths that runs of all-reduce of 8 GiB printed
        (["--cluster", "mi300x-node:1"], 313e9, 0.06),
        (["--cluster", "mi300x-node:1", "--ranks", "2"], 48e9, 0.06),
        (["--cluster", "dgx-h100:1"], 476e9, 0.03),
    ],
)
def test_bus_bandwidth_of_8_gib(arguments, measured, within):
    """Sweeps of MI300X and DGX H100, validation/published/cnn/collective_sweeps.csv."""
    done = run(collectives, *arguments, "--size", "8GiB", "--json")
    assert json.loads(done.stdout)["rows"][0]["bus_bandwidth"] == pytest.approx(measured, rel=within)


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
        (
            ["--cluster", "dgx-a100:2", "--library", "nccl:1.0"],
            "unknown version '1.0' of nccl; expected a rel",
        ),
        (["--cluster", "dgx-a100:2", "--library", "mpi:5"], "mpi has no versions here"),
        (
            ["--cluster", "dgx-a100:2", "--size", "2000TiB"],
            "--size: found '2000TiB'; expected at most 1.0 PiB",
        ),
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


@pytest.fixture
def two_fabrics(tmp_path):
    """Every third row of 1 MiB and more of two sweeps: few enough for a fit in a test."""
    rows = (PUBLISHED / "collective_sweeps.csv").read_text(encoding="utf-8").splitlines()
    taken = [
        row
        for row in rows[1:]
        if row.startswith(("deepops_dgxa100_2n,", "dgxc_h100_1n,")) and len(row.split(",")) > 10
    ]
    path = tmp_path / "two.csv"
    path.write_text("\n".join([rows[0], *taken[-40::3]]) + "\n", encoding="utf-8")
    return path


def test_leaving_out_a_fabric_refits_without_it(two_fabrics, tmp_path):
    asked = ("--data", str(two_fabrics), "--leave-out", "fabric")
    done = run(validate_collectives, *asked, "--json", "--report", str(tmp_path / "pages"))
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found["summary"]) == {"overall", "infiniband-hdr", "nvswitch3"}
    assert found["summary"]["overall"]["at_least_1_mib_left_out"]["n"] > 0
    assert all(row["predicted"] > 0 for row in found["rows"])
    assert any(row["predicted"] != row["predicted_fitted"] for row in found["rows"])
    assert (tmp_path / "pages" / "validate-collectives.html").exists()


def test_leaving_out_something_else_is_refused():
    done = run(validate_collectives, "--leave-out", "row")
    assert done.exit_code == 2
    assert "fabric" in done.output
