"""`simdl export`: a plan or a strategy as the launch file of a framework."""

from pathlib import Path

import click

from planner.console.answers.headline import devices_of
from planner.console.format import format_seconds, spell_strategy
from planner.console.output import print_json
from planner.console.output_files import force_option
from planner.console.refusals import reporting_errors
from planner.launch.answer import job_of_answer, job_of_strategy
from planner.launch.files import write_files
from planner.launch.job import Job, LaunchError, launch_json, say
from planner.launch.registry import FORMATS, launch_format
from planner.questions.answer_file import load_answer
from planner.questions.question import Options
from planner.reasons.limits_of_step import limits_of_step


@click.command()
@click.argument("file", metavar="PLAN.json|STRATEGY.toml", type=click.Path(path_type=Path))
@click.option("--format", "format_name", required=True, help=f"Framework, one of {', '.join(FORMATS)}.")
@click.option(
    "--rank", "number", type=click.IntRange(min=1), show_default="1", help="Which plan of PLAN.json, by rank."
)
@click.option("--model", help="With STRATEGY.toml: the model, a registered name or a file.")
@click.option("--cluster", help="With STRATEGY.toml: the cluster, NODE:COUNT or a TOML file.")
@click.option("--global-batch", type=click.IntRange(min=1), help="With STRATEGY.toml: samples per step.")
@click.option("--seq-len", type=click.IntRange(min=1), help="With STRATEGY.toml: tokens of a sample.")
@click.option("--precision", help="With STRATEGY.toml: number formats.")
@click.option("--optimizer", help="With STRATEGY.toml: update rule.")
@click.option("--stack", help="With STRATEGY.toml: software stack.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the files into this directory.")
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON: files, launch line, warnings.")
@reporting_errors()
def export(
    *,
    file: Path,
    format_name: str,
    number: int | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    **asked: str | int | None,
) -> None:
    """Turn a plan into what launches it in a framework, such as Megatron-LM or DeepSpeed.

    PLAN.json is what `simdl plan --json` or `simdl simulate --json` printed; a strategy file needs --model
    and --cluster. The main file is printed; --out writes all of them. Whatever the framework cannot express
    is warned of on standard error.
    """
    found = launch_format(format_name)
    job = _job(file, number, asked)
    launch = found.write(job)
    if out is not None:
        write_files(out, launch.files, force=force)
    click.echo(_sentence(job, found.title, file, number), err=True)
    for line in say(launch):
        click.echo(line, err=True)
    if as_json:
        print_json(launch_json(found, launch))
    elif out is None:
        click.echo(next(iter(launch.files.values())), nl=False)
    else:
        click.echo("\n".join((*(str(out / name) for name in launch.files), f"run: {launch.line}")))


def _sentence(job: Job, title: str, file: Path, number: int | None) -> str:
    """What is launched, on how many devices, and how long a step takes where the file says it."""
    question = job.question
    text = (
        f"Launch {question.workload.network.name} with {title} on {devices_of(question)} as "
        f"{spell_strategy(job.strategy)}"
    )
    if file.suffix != ".json":
        return f"{text}; simdl simulate --strategy {file} says how long a step takes."
    answer = load_answer(file, number=number or 1)
    limit = limits_of_step(answer)[0]
    return (
        f"{text}: a step is predicted to take {format_seconds(answer.step_time)}, limited by {limit.name} "
        f"({limit.share:.0%} of it)."
    )


def _job(file: Path, number: int | None, asked: dict[str, str | int | None]) -> Job:
    """The job that a file and the options name.

    Raises:
        LaunchError: options that the file does not take, or that it lacks.
    """
    given = {key: value for key, value in asked.items() if value is not None}
    if file.suffix == ".json":
        if given:
            names = ", ".join(f"--{key.replace('_', '-')}" for key in given)
            raise LaunchError(
                f"{names}: found with {file}, which says it; expected them with a strategy file"
            )
        return job_of_answer(file, number=number or 1)
    if number is not None:
        raise LaunchError(f"--rank {number}: found with {file}; expected it with the JSON of plans")
    missing = [f"--{key}" for key in ("model", "cluster") if key not in given]
    if missing:
        raise LaunchError(f"{file}: a strategy alone; expected {' and '.join(missing)} beside it")
    return job_of_strategy(file, Options(**given))  # type: ignore[arg-type]  # by key as click has read them
