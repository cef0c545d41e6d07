"""What the dashboard gives to download, and to whom."""

import tomllib

import pytest
from click.testing import CliRunner
from dashboard_client import GPT2, GPT3, Client, parts, verdict

from planner.commands.simulate import simulate
from planner.dashboard import downloads
from planner.dashboard.catalog import ask
from planner.dashboard.downloads import TOKEN
from planner.dashboard.state import parse_state
from planner.questions.strategy_file import build_strategy, load_strategy


@pytest.fixture(scope="module")
def client():
    return Client()


class TestDownloads:
    @pytest.mark.parametrize(
        ("query", "flags"),
        [
            ("a.pp=2&a.micro_batch=2", ("--pp", "2", "--micro-batch", "2")),
            ("a.tp=2", ("--tp", "2", "--micro-batch", "1")),
        ],
    )
    def test_json_is_that_of_the_command(self, client, query, flags):
        done = client.http.get(f"/download/{TOKEN}/a/simulate.json?{GPT2}{query}")
        command = ["gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32", *flags, "--json"]
        assert done.text == CliRunner().invoke(simulate, command).stdout
        assert done.headers["Content-Disposition"] == 'attachment; filename="a-simulate.json"'

    def test_trace_is_that_of_the_command(self, client, tmp_path):
        path = tmp_path / "step.json"
        command = [
            "gpt2",
            "--cluster",
            "dgx-a100:1",
            "--global-batch",
            "32",
            "--pp",
            "2",
            "--trace",
            str(path),
        ]
        assert CliRunner().invoke(simulate, command).exit_code == 0
        done = client.http.get(f"/download/{TOKEN}/b/trace.json?{GPT2}a.tp=2&b.pp=2")
        assert done.text == path.read_text(encoding="utf-8")

    def test_strategy_file_is_read_back_as_the_strategy(self, client, tmp_path):
        query = (
            f"{GPT2}a.pp=2&a.virtual_stages=2&a.schedule=interleaved-1f1b&a.recompute=full&a.zero=1"
            "&a.micro_batch=2&a.stages=3-4-4-3"
        )
        done = client.http.get(f"/download/{TOKEN}/a/strategy.toml?{query}")
        path = tmp_path / "strategy.toml"
        path.write_text(done.text, encoding="utf-8")
        state = parse_state(query)
        cluster = ask(state.asked, client.catalog).cluster
        assert load_strategy(str(path), cluster) == build_strategy(state.strategies[0], cluster)
        assert tomllib.loads(done.text)["stages"] == [3, 4, 4, 3]
        assert done.text.startswith("# gpt2 on dgx-a100:1, global batch 32\n")

    @pytest.mark.parametrize(
        "token",
        ["", "x/", f"{TOKEN[:-1]}/", f"{TOKEN}x/"],
        ids=["none", "another", "too short", "too long"],  # the token is drawn anew by every process
    )
    def test_an_address_that_no_page_of_the_server_holds_is_refused(self, client, token):
        done = client.http.get(f"/download/{token}a/simulate.json?{GPT2}a.tp=2")
        assert done.status_code == (403 if token else 200)  # without one it is the page itself
        assert "step_time" not in done.text

    def test_a_trace_of_too_many_passes_is_left_to_the_command(self, client, monkeypatch):
        monkeypatch.setattr(downloads, "TRACED", 10)
        done = client.http.get(f"/download/{TOKEN}/a/trace.json?{GPT2}a.tp=2")
        assert done.status_code == 400
        assert "the page gives traces of at most 10, `simdl simulate --trace` more" in done.text

    def test_one_file_is_made_at_a_time(self, client, monkeypatch):
        monkeypatch.setattr(downloads, "PATIENCE", 0.0)
        address = f"/download/{TOKEN}/a/strategy.toml?{GPT2}a.tp=2"
        with downloads._MAKING:
            busy = client.http.get(address)
        assert (busy.status_code, client.http.get(address).status_code) == (503, 200)

    @pytest.mark.parametrize(
        ("address", "status", "message"),
        [
            ("/download/TOKEN/a/simulate.json?" + GPT2 + "a.tp=5", 400, "tp 5 does not divide"),
            (
                "/download/TOKEN/b/simulate.json?" + GPT2 + "a.tp=2",
                400,
                "strategy B: not part of the address",
            ),
            ("/download/TOKEN/a/trace.json?" + GPT3 + "stack=megatron-2022&a.tp=8&a.pp=8", 400, "GiB short"),
            (
                "/download/TOKEN/a/simulate.json?model=/etc/passwd&node=dgx-a100&count=1",
                400,
                "unknown network",
            ),
            ("/download/TOKEN/a/simulate.json?model=%FF&node=dgx-a100&count=1", 400, "unknown network"),
            ("/download/TOKEN/a/passwd?model=gpt2", 404, "Not Found"),
            ("/download/TOKEN/c/simulate.json?model=gpt2", 404, "Not Found"),
            ("/assets/..%2Fserver.py", 404, "Not Found"),
            ("/assets/../server.py", 404, "Not Found"),
        ],
    )
    def test_what_cannot_be_had_is_refused(self, client, address, status, message):
        done = client.http.get(address.replace("TOKEN", TOKEN))
        assert done.status_code == status
        assert message in done.text

    def test_links_hold_the_state_and_leave_out_what_there_is_not(self, client):
        fits = verdict(client, GPT2 + "a.tp=2")["verdict.children"]
        short = verdict(client, GPT3 + "stack=megatron-2022&a.tp=8&a.pp=8")["verdict.children"]
        links = [link["props"]["href"] for link in parts(fits, "A")]
        assert [link.partition("?")[0].rpartition("/")[2] for link in links] == [
            "simulate.json",
            "trace.json",
            "strategy.toml",
        ]
        assert all(client.http.get(link).status_code == 200 for link in links)
        assert not any("trace" in link["props"]["href"] for link in parts(short, "A"))
