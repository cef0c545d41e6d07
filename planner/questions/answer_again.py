"""An answer asked again: the simulation behind a file, which holds its numbers but not its timeline."""

from dataclasses import dataclass
from math import isclose

from planner.questions.answer_file import TOLERANCE, Answer
from planner.questions.question import Question, load_question
from planner.questions.strategy_file import build_strategy
from simdl.errors import SimdlError
from simdl.step.automatic_cut import step_cost
from simdl.step.simulate import Simulation, price, simulate
from simdl.step.step_cost import StepCost


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnswerAgain:
    """The question of an answer, its priced step and its simulation."""

    question: Question
    step: StepCost
    simulation: Simulation


def ask_again(answer: Answer) -> AnswerAgain:
    """Simulate the step of an answer once more.

    Raises:
        SimdlError: the step takes another time than the file says: profiles or models have changed since.
        HardwareError, WorkloadError, SimdlError: what the question names is not there any more.
    """
    question = load_question(answer.question)
    strategy = build_strategy(answer.strategy, question.cluster, place=f"{answer.place}: strategy.")
    simulation = simulate(question.workload, question.cluster, strategy, stack=question.stack)
    seconds = simulation.report.step_time
    if not isclose(seconds, answer.step_time, rel_tol=TOLERANCE):
        raise SimdlError(
            f"{answer.place}: step_time: found {answer.step_time:.6g}, but its question now gives "
            f"{seconds:.6g}; expected an answer of the profiles and models at hand"
        )
    pricing = price(question.workload, question.cluster, stack=question.stack)
    return AnswerAgain(
        question=question, step=step_cost(question.workload, strategy, pricing), simulation=simulation
    )
