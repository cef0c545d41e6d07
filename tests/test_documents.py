"""What README.md and docs/ show is what simdl does; programs that refresh them write only when asked."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from validation.commands.kernels import kernels

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = re.compile(r"<!-- output of: (.+?) -->\n```text\n(.*?)\n```\n<!-- end of output -->", re.DOTALL)


def shown(document, command):
    return dict(OUTPUT.findall((ROOT / document).read_text(encoding="utf-8")))[command]


def test_the_page_on_kernels_shows_the_errors_of_today():
    result = CliRunner().invoke(kernels)
    printed = "\n".join(line.rstrip() for line in result.stdout.strip("\n").splitlines())
    assert shown("docs/kernel-fit.md", "simdl validate kernels") == printed


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "scripts").glob("refresh_*.py")))
@pytest.mark.parametrize(("arguments", "status"), [(("--help",), 0), (("--no-such-option",), 2)])
def test_a_program_that_refreshes_says_how_it_is_used_and_writes_nothing(script, arguments, status):
    if script == "refresh_pictures.py":
        pytest.importorskip("playwright")
    before = (ROOT / "README.md").stat().st_mtime_ns
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, ROOT / "scripts" / script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert "usage: " in done.stdout + done.stderr
    assert (ROOT / "README.md").stat().st_mtime_ns == before
