"""An answer asked again: the simulation behind a file, which holds its numbers but not its timeline."""

from math import isclose

from planner.questions.answer_file import TOLERANCE, Answer
from planner.questions.question import load_question
from planner.questions.strategy_file import build_strategy
from simdl.errors import SimdlError
from simdl.step.simulate import Simulation, simulate


def ask_again(answer: Answer) -> Simulation:
    """Simulate the step of an answer once more.

    Raises:
        SimdlError: the step takes another time than the file says: profiles or models have changed since.
        HardwareError, WorkloadError, SimdlError: what the question names is not there any more.
    """
    question = load_question(answer.question)
    strategy = build_strategy(answer.strategy, question.cluster, place=f"{answer.place}: strategy.")
    simulation = simulate(
        question.workload, question.cluster, strategy, stack=question.stack, speeds=question.speeds
    )
    seconds = simulation.report.step_time
    if not isclose(seconds, answer.step_time, rel_tol=TOLERANCE):
        raise SimdlError(
            f"{answer.place}: step_time: found {answer.step_time:.6g}, but its question now gives "
            f"{seconds:.6g}; expected an answer of the profiles and models at hand"
        )
    return simulation
