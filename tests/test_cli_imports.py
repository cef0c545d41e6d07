"""What a command imports, in an interpreter of its own: nothing that its question does not need."""

import subprocess
import sys

import pytest

HEAVY = {"pulp", "highspy", "plotly", "pandas", "pydantic", "rich", "dash", "torch", "cupy"}
SIMULATION = {"numpy", "simpy"}
FRAMES = {"pandas", "pydantic"}
PROFILE = "vgg16"
SIMULATED = ("gpt3-6.7b", "--cluster", "dgx-a100:4", "--dp", "8", "--tp", "4")


def imported_by(*arguments):
    """Packages that an interpreter holds after ``simdl`` with these arguments."""
    script = (
        "import sys\n"
        "from planner.cli import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("models",),
        ("models", "gpt2", "--json"),
        ("hardware", "dgx-a100", "--json"),
        ("dashboard", "--help"),
        ("validate", "--help"),
    ],
)
def test_what_simulates_nothing_imports_neither_arrays_nor_events(arguments):
    assert not imported_by(*arguments) & (HEAVY | SIMULATION)


@pytest.mark.parametrize(
    "arguments",
    [
        ("collectives", "--cluster", "dgx-a100:2", "--size", "1MiB"),
        ("plan", "gpt2", "--cluster", "dgx-a100:1", "--top", "1", "--json"),
        ("simulate", *SIMULATED),
        ("scale", "gpt2", "--cluster", "dgx-a100:1..2"),
        ("pipeline", PROFILE, "--cluster", "dgx-1-v100:2"),
        ("consistency", "gpt2", "--cluster", "dgx-a100:1", "--steps", "2", "--json"),
        ("goodput", "gpt2", "--cluster", "dgx-a100:1", "--json"),
        ("microbatch", "lenet5", "--device", "p100-sxm", "--batch", "8"),
        ("explain", "--help"),
        ("diff", "--help"),
        ("overlay", "--help"),
        ("validate", "microbatch", "--help"),
        ("train", "--help"),
    ],
)
def test_neither_solver_nor_figures_nor_frames_are_imported_for_nothing(arguments):
    assert not imported_by(*arguments) & HEAVY


@pytest.mark.parametrize(
    "arguments",
    [
        ("validate", "collectives"),
        ("validate", "kernels", "--data", "validation/published/kernels/gemm_achieved_tflops.csv"),
        ("validate", "published", "--help"),
        ("validate", "links", "--help"),
        ("validate", "hardware", "--help"),
        ("calibrate", "--help"),
    ],
)
def test_what_judges_tables_imports_frames_but_neither_solver_nor_figures(arguments):
    assert not imported_by(*arguments) & (HEAVY - FRAMES)


def test_a_program_that_is_solved_imports_the_solver_and_a_page_imports_figures(tmp_path):
    arguments = ("lenet5", "--cluster", "dgx-1-v100:1", "--global-batch", "64", "--top", "1")
    solved = imported_by("plan", *arguments, "--report", str(tmp_path))
    assert {"pulp", "plotly", "numpy", "simpy"} <= solved
    assert not solved & {"rich", "dash", "torch", "cupy"}
