"""`simdl consistency` as a user meets it."""

import json

import pytest
from click.testing import CliRunner

from planner.commands.consistency import consistency
from planner.commands.simulate import simulate

QUESTION = ("resnet50", "--cluster", "dgx-a100:2", "--micro-batch", "64")


def run(*arguments):
    return CliRunner().invoke(consistency, list(arguments))


def found(*arguments):
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_synchronous_step_is_that_of_simulate():
    ordinary = json.loads(CliRunner().invoke(simulate, [*QUESTION, "--json"]).stdout)
    data = found(*QUESTION, "--steps", "3")
    assert data["step_time"] == pytest.approx(ordinary["step_time"], rel=1e-12)
    assert data["strategy"] == ordinary["strategy"]
    assert data["speedup"] == 1.0


@pytest.mark.parametrize(
    "question",
    [
        ("lenet5", "--cluster", "dgx-1-v100:1"),
        ("gpt3-6.7b", "--cluster", "dgx-a100:2", "--global-batch", "32"),
    ],
)
def test_what_is_left_open_is_chosen_as_simulate_chooses_it(question):
    ordinary = json.loads(CliRunner().invoke(simulate, [*question, "--json"]).stdout)
    data = found(*question, "--steps", "2")
    assert data["step_time"] == pytest.approx(ordinary["step_time"], rel=1e-12)
    for key in ("strategy", "stack", "chosen", "assumptions"):
        assert data[key] == ordinary[key], key


def test_workers_that_were_asked_for_leave_devices_idle():
    data = found("lenet5", "--cluster", "dgx-1-v100:1", "--workers", "3", "--steps", "2")
    assert (data["workers"], data["strategy"]["dp"], data["strategy"]["micro_batch"]) == (3, 3, 64)
    assert "global batch 192 (64 images per device)" in data["assumptions"]
    assert all("ranks 0 to 0" not in link["name"] for link in data["links"])


def test_table_names_what_was_asked_for():
    done = run(*QUESTION, "--scheme", "async", "--servers", "2", "--slowdown", "rare:2%,3")
    assert done.exit_code == 0, done.output
    for words in (
        "resnet50 on dgx-a100:2, asynchronous, 100 steps",
        "16, 2 servers",
        "[updates]",
        "server load",
        "infiniband-hdr of servers, in",
        "warning: throughput only",
    ):
        assert words in done.output


def test_json_has_stable_keys():
    data = found(*QUESTION, "--scheme", "ssp", "--servers", "1", "--bound", "2", "--seed", "7")
    assert set(data["staleness"]) == {"mean", "max", "unit"}
    assert set(data["waiting"]) == {"per_step", "share"}
    assert data["scheme"] == "stale-synchronous"
    assert (data["bound"], data["period"], data["seed"]) == (2, None, 7)
    assert 0 < data["server_load"] <= 1
    assert {"name", "count", "bytes_per_step", "load", "waiting"} == set(data["links"][0])
    assert data["synchronous"]["undisturbed_step_time"] > 0


def test_spare_workers_come_out_of_the_cluster():
    data = found("resnet50", "--cluster", "dgx-a100:2", "--scheme", "backup", "--slowdown", "rare:10%,3")
    assert (data["workers"], data["needed"]) == (16, 15)
    assert data["removed"] > 0
    assert data["expected_step_time"] < data["synchronous"]["expected_step_time"]


def test_workers_with_spare_ones_divide_the_batch():
    data = found("gpt2", "--cluster", "dgx-a100:2", "--scheme", "backup", "--steps", "3")
    assert data["global_batch"] % data["needed"] == 0
    assert data["needed"] == 8  # of 512 sequences, with room for 15 and one spare


def test_servers_apply_every_byte_that_workers_send():
    data = found(*QUESTION, "--scheme", "async", "--servers", "4", "--steps", "50")
    links = {link["name"]: link["bytes_per_step"] for link in data["links"]}
    sent, received = links["infiniband-hdr of workers, out"], links["infiniband-hdr of servers, in"]
    assert sent == pytest.approx(received, rel=0.03)
    assert links["memory of servers"] > sent  # gradient, parameter and moments of what comes


def test_averages_send_less_the_rarer_they_are():
    often, seldom = (
        found(*QUESTION, "--scheme", "local", "--period", period, "--steps", "8")["links"]
        for period in ("1", "8")
    )
    assert [link["name"] for link in often] == [link["name"] for link in seldom]
    for first, second in zip(often, seldom, strict=True):
        assert first["bytes_per_step"] == pytest.approx(8 * second["bytes_per_step"])
    plain = {link["name"]: link["bytes_per_step"] for link in found(*QUESTION, "--steps", "2")["links"]}
    # 2 bytes a parameter either way
    assert {link["name"]: link["bytes_per_step"] for link in often} == pytest.approx(plain, rel=0.05)


def test_time_to_the_target_counts_staleness():
    plain = found(*QUESTION, "--steps", "5")["time_to_accuracy"]
    assert plain["seconds"] == plain["synchronous_seconds"]
    assert "MLPerf" in plain["measured"]
    stale = found(*QUESTION, "--scheme", "async", "--servers", "8", "--steps", "20")
    accuracy = stale["time_to_accuracy"]
    # noise needs as many samples in single gradients; curvature more updates by 4/pi for each of N
    assert accuracy["updates"] > 16 * 0.99 * plain["updates"]
    assert accuracy["seconds"] > accuracy["synchronous_seconds"] / stale["speedup"]
    assert any("Levin and May" in sentence for sentence in accuracy["assumed"])
    assert found(*QUESTION, "--scheme", "gossip", "--steps", "5")["time_to_accuracy"] is None


def test_what_does_not_fit_is_refused():
    done = run("vgg16", "--cluster", "dgx-1-v100:1", "--global-batch", "4096", "--micro-batch", "512")
    assert done.exit_code == 2, done.output
    assert "mb 512" in done.output
    assert "GiB short" in done.output
    assert "no memory saving that is left open suffices; expected more devices" in done.output


def test_trace_and_page(tmp_path):
    trace = tmp_path / "workers.json"
    done = run(*QUESTION, "--scheme", "gossip", "--trace", str(trace), "--report", str(tmp_path / "pages"))
    assert done.exit_code == 0, done.output
    events = json.loads(trace.read_text())["traceEvents"]
    assert {event["name"] for event in events if event["ph"] == "X"} == {"compute", "exchange"}
    page = (tmp_path / "pages" / "consistency.html").read_text()
    assert "staleness" in page
    again = run(*QUESTION, "--trace", str(trace))
    assert again.exit_code == 2
    assert "exists; expected a new trace" in again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scheme", "async"), "--servers: missing; scheme asynchronous expects at least 1"),
        (("--servers", "2"), "--servers 2: scheme synchronous does not use it"),
        (("--scheme", "local", "--bound", "2"), "--bound 2: scheme local-sgd does not use it"),
        (("--scheme", "chaos"), "expected one of synchronous"),
        (("--scheme", "hogwild"), "cluster: found 2 nodes; scheme hogwild expects 1"),
        (("--scheme", "backup", "--spare", "200%"), "--spare: found '200%'"),
        (("--workers", "0"), "--workers: found 0"),
        (("--workers", "99"), "workers: found 99"),
        (("--workers", "3", "--dp", "4"), "--workers 3 with --dp 4"),
        (("--slowdown", "rare:3,3"), "probability: found 3; expected 0 to 1"),
        (("--slowdown", "constant:2,nodes=5"), "found node 5; expected 0 to 1"),
        (("--scheme", "gossip", "--zero", "1"), "zero: found 1; scheme gossip expects 0"),
        (("--cluster", "dgx-a100:1,dgx-h100:1"), "found 2 node types; expected one here"),
        (("--force",), "--force: nothing is written"),
    ],
)
def test_bad_input_is_one_message(arguments, message):
    done = run(*QUESTION, *arguments)
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert "Traceback" not in done.output
