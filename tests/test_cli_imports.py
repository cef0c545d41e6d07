"""What commands import, in an interpreter that runs them all: nothing that a question does not need."""

import json
import subprocess
import sys
from itertools import pairwise

HEAVY = {"pulp", "highspy", "plotly", "pandas", "pydantic", "rich", "dash", "torch", "cupy"}
SIMULATION = {"numpy", "simpy"}
FRAMES = {"pandas", "pydantic"}
PAGES = {"pulp", "highspy", "plotly"}
ASKED = ("--cluster", "dgx-a100:1", "--json")
SIMULATES_NOTHING = (
    ("--help",),
    ("models",),
    ("models", "gpt2", "--json"),
    ("hardware", "dgx-a100", "--json"),
    ("dashboard", "--help"),
    ("validate", "--help"),
)
SIMULATES = (
    ("collectives", "--cluster", "dgx-a100:2", "--size", "1MiB"),
    ("plan", "gpt2", *ASKED, "--top", "1"),
    ("simulate", "gpt3-6.7b", "--cluster", "dgx-a100:4", "--dp", "8", "--tp", "4"),
    ("simulate", "lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64"),
    ("scale", "gpt2", "--cluster", "dgx-a100:1..2"),
    ("pipeline", "vgg16", "--cluster", "dgx-1-v100:2"),
    ("consistency", "gpt2", *ASKED, "--steps", "2"),
    ("goodput", "gpt2", *ASKED),
    ("microbatch", "lenet5", "--device", "p100-sxm", "--batch", "8"),
    ("explain", "--help"),
    ("diff", "--help"),
    ("overlay", "--help"),
    ("validate", "microbatch", "--help"),
    ("train", "--help"),
)
JUDGES = (
    ("validate", "collectives"),
    ("validate", "kernels", "--data", "validation/published/kernels/gemm_achieved_tflops.csv"),
    ("validate", "published", "--help"),
    ("validate", "links", "--help"),
    ("validate", "hardware", "--help"),
    ("calibrate", "--help"),
)
RUN = """
import json, sys
from planner.cli import main
for arguments in json.loads(sys.argv[1]):
    main(arguments, standalone_mode=False)
    print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)
    print('end', file=sys.stderr)
"""


def imported_after(commands):
    """Packages that one interpreter holds after each of the commands, run in order."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", RUN, json.dumps(commands)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    held = [set(before.split()) for before, line in pairwise(lines) if line == "end"]
    return list(zip(commands, held, strict=True))


def test_no_command_imports_what_its_question_does_not_need(tmp_path):
    """Neither arrays nor events, neither solver nor figures nor frames, until a question needs them."""
    page = ("plan", "lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64", "--top", "1")
    commands = (*SIMULATES_NOTHING, *SIMULATES, *JUDGES, (*page, "--report", str(tmp_path)))
    unwanted = [HEAVY | SIMULATION] * len(SIMULATES_NOTHING) + [HEAVY] * len(SIMULATES)
    unwanted += [HEAVY - FRAMES] * len(JUDGES) + [HEAVY - FRAMES - PAGES]
    found = imported_after(commands)
    for (arguments, held), kept_out in zip(found, unwanted, strict=True):
        assert "planner" in held
        assert not held & kept_out, arguments
    *_, (_, judged), (_, solved) = found
    assert "pandas" in judged
    assert {"pulp", "plotly", "numpy", "simpy"} <= solved
