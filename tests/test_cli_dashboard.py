"""`simdl dashboard` from the outside: it serves, ends cleanly, and refuses what it cannot do."""

import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from planner.commands.dashboard import dashboard
from planner.dashboard.limits import BODY


def run(*arguments):
    return CliRunner().invoke(dashboard, arguments)


@contextmanager
def start(*arguments):
    """A server as a script starts it in the background: interrupts are ignored until it asks for them."""
    script = "from planner.cli import main; main()"
    command = [sys.executable, "-c", script, "dashboard", "--port", "0", *arguments]
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *command],  # noqa: S607 - a shell is everywhere
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            yield server
        finally:
            server.kill()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_on_this_machine_only_and_ends_when_told(ending):
    with start() as server:
        line = server.stdout.readline()
        address = line.split(" at ")[1].split()[0]
        assert address.startswith("http://127.0.0.1:")
        assert "no uploads" in line
        with urlopen(address, timeout=10) as page:  # noqa: S310 - the server above
            assert page.status == 200
            assert "simdl dashboard" in page.read().decode()
        server.send_signal(ending)
        output, messages = server.communicate(timeout=10)
        assert (server.returncode, output, messages) == (0, "", "")


def test_another_host_is_warned_about():
    with start("--host", "0.0.0.0") as server:  # noqa: S104 - what the warning is about
        assert "http://0.0.0.0:" in server.stdout.readline()
        assert "lets other machines in; there is no login" in server.stderr.readline()
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=10) == 0


def test_a_port_in_use_is_one_message():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--port", str(port))
    assert done.exit_code == 2
    where = f"--host 127.0.0.1 --port {port}"
    assert done.stderr == f"Error: {where}: Address already in use; expected a free port of this machine\n"
    assert not done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--host", "no such host"), "--host no such host: "),
        (("--host", "192.0.2.1"), "--host 192.0.2.1 --port 8050: "),
        (("--port", "70000"), "70000 is not in the range"),
        (("--model", "gpt2"), "--model gpt2: expected a .toml or .json file"),
        (("--model", "gone.toml"), "gone.toml"),
        (("--cluster", "gone.toml"), "gone.toml: cannot be read"),
    ],
)
def test_bad_input_exits_with_2_and_one_message(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert not done.stdout


def test_without_dash_it_says_how_to_install_it(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("planner.dashboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dash", None)
    done = run()
    assert done.exit_code == 2
    expected = "pip install -e '.[dash]' from a checkout"
    assert done.stderr == f"Error: the dashboard needs dash, which is not installed; expected {expected}\n"


def test_help_states_host_and_limits():
    done = run("--help")
    for part in (
        "127.0.0.1",
        "there is no login",
        f"{BODY // 1024} KiB",
        "Nothing is uploaded",
        "no file is read",
    ):
        assert part in " ".join(done.stdout.split())
