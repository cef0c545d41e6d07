"""The solver's banner never reaches the standard output of the process, where an answer stands."""

import subprocess
import sys

from planner.solver.ilp import Program, Variable, solve_program
from planner.solver.quiet_output import quiet_output


def run(*lines):
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603


def test_a_solve_prints_nothing(capfd):
    program = Program(
        name="one", objective={"x": 1.0}, variables=(Variable(name="x", low=2.0),), constraints=()
    )
    assert solve_program(program).objective == 2.0
    assert capfd.readouterr().out == ""


def test_what_is_written_past_python_is_lost_and_the_rest_is_not():
    text = run(
        "import os",
        "from planner.solver.quiet_output import quiet_output",
        "print('before', flush=True)",
        "with quiet_output():",
        "    os.write(1, b'lost')",
        "print('after')",
    )
    assert text == "before\nafter\n"


def test_a_closed_standard_output_stays_closed():
    assert run("import os", "os.close(1)", "from planner.solver.quiet_output import quiet_output") == ""
    with quiet_output():
        pass
