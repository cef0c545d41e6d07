"""The launch lines that a page of a plan or a step offers to copy: what `simdl export` writes, by format."""

from collections.abc import Iterator
from dataclasses import replace

from planner.launch.job import Job, LaunchError, launch_json
from planner.launch.registry import formats_of
from planner.pages.answer_box import LaunchCard
from planner.pages.page import Page
from planner.questions.question import Question
from planner.questions.strategy_file import format_strategy_file
from simdl.step.strategy import Strategy


def with_launch(page: Page, question: Question, strategy: Strategy) -> Page:
    """The page with what launches a strategy, and the strategy as the file that `--strategy` reads."""
    workload, cluster = question.workload, question.cluster
    title = f"{workload.network.name} on {cluster.name}, global batch {workload.global_batch}"
    files = {**page.files, "strategy.toml": format_strategy_file(strategy, title=title)}
    return replace(page, launch=launch_cards(question, strategy), files=files)


def launch_cards(question: Question, strategy: Strategy) -> tuple[LaunchCard, ...]:
    """All formats that could run the network, those that can run the strategy first."""
    found = sorted(_cards(Job(question=question, strategy=strategy)), key=lambda card: card.launch is None)
    return tuple(found)


def _cards(job: Job) -> Iterator[LaunchCard]:
    for name, known in formats_of(job.question).items():
        try:
            launch = launch_json(known, known.write(job))
        except LaunchError as error:
            yield LaunchCard(name=name, title=known.title, launch=None, reason=str(error))
        else:
            yield LaunchCard(name=name, title=known.title, launch=launch)
