"""``python -m validation.gpu_session --out DIR``: measure everything on this machine's GPU in one go."""

import argparse
import sys
import tempfile
from pathlib import Path

from validation.gpu_session.parts import session_parts
from validation.gpu_session.session import ARCHIVE, run_session

BUDGET = 530.0
"""[s] for a whole session."""


def main() -> int:
    """Run a session; exit status 1 if no part ended well."""
    options = _options()
    parts = [part for part in session_parts(options.device) if options.only in part.name]
    if not parts:
        names = ", ".join(part.name for part in session_parts(options.device))
        sys.stderr.write(f"Error: --only: found {options.only!r}; expected a part of one of {names}\n")
        return 2
    with tempfile.TemporaryDirectory() as work:
        outcomes = run_session(parts, Path(work), options.out, options.budget, _progress)
    _progress(f"written: {options.out / ARCHIVE}")
    return 0 if any(outcome.status == "done" for outcome in outcomes) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m validation.gpu_session", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="Directory of the archive and its summary.")
    parser.add_argument("--device", default="cuda:0", help="cuda:N [cuda:0].")
    parser.add_argument("--budget", type=float, default=BUDGET, help=f"[s] for everything [{BUDGET:.0f}].")
    parser.add_argument("--only", default="", help="Only parts whose name contains this text.")
    return parser.parse_args()


def _progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
