"""Arguments of the Python interface, checked before anything is read: one message names the argument.

Whatever is refused is a :class:`simdl.errors.SimdlError`: what the lower packages refuse is raised as a
:class:`QuestionError` with the same message. Options that a message names are called as arguments are.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from os import PathLike, fspath
from typing import Any, ParamSpec, TypeVar

from hardware.cluster import Cluster
from hardware.errors import HardwareError
from planner.questions.device_speeds import format_speeds
from planner.questions.question import Options
from simdl.errors import SimdlError
from simdl.step.strategy_values import is_whole
from workloads.errors import WorkloadError
from workloads.network import Network

Parameters = ParamSpec("Parameters")
Answered = TypeVar("Answered")
FilePath = str | PathLike[str]
MODEL = "a registered name such as 'llama3.1-8b', a file, or a network of simdl.load_network"
CLUSTER = "NODE:COUNT such as 'dgx-h100:2', a TOML file, or a cluster of simdl.load_cluster"
FLAG = re.compile(r"--([a-z][a-z-]*)")
INPUTS = "a loader such as 'pytorch-workers:8' or 'dali:4,storage=1GB/s'"
SHOWN = 60  # characters of a value in a message


class QuestionError(SimdlError):
    """What a call names does not exist, cannot be read, or is of the wrong kind."""


def one_family(function: Callable[Parameters, Answered]) -> Callable[Parameters, Answered]:
    """The function with every refusal a :class:`~simdl.errors.SimdlError`, the cause kept."""

    @wraps(function)
    def asked(*args: Parameters.args, **named: Parameters.kwargs) -> Answered:
        try:
            return function(*args, **named)
        except (HardwareError, WorkloadError) as error:
            raise QuestionError(as_arguments(str(error))) from error
        except SimdlError as error:
            if FLAG.search(str(error)) is None:
                raise
            raise QuestionError(as_arguments(str(error))) from error
        except OSError as error:
            if error.filename is None:
                raise
            raise QuestionError(f"{error.filename}: {error.strerror}") from error

    return asked


def as_arguments(message: str) -> str:
    """A message with its options named as arguments.

    Example:
        >>> as_arguments("--stride 2: found with one rank; expected --ranks of at least 2")
        'stride 2: found with one rank; expected ranks of at least 2'
    """
    return FLAG.sub(lambda found: found[1].replace("-", "_"), message)


def refuse(name: str, value: object, expected: str) -> QuestionError:
    """The refusal of an argument: what, found, expected."""
    shown = repr(value)
    shown = shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 3]}..."
    return QuestionError(f"{name}: found {shown} ({type(value).__name__}); expected {expected}")


def count(name: str, value: object, *, least: int = 1) -> int | None:
    """A whole number, or None.

    Raises:
        QuestionError: another value.
    """
    if value is None:
        return None
    if not is_whole(value) or value < least:
        raise refuse(name, value, f"a whole number, at least {least}")
    return int(value)


def number(name: str, value: object) -> float | None:
    """A number, or None.

    Raises:
        QuestionError: another value.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise refuse(name, value, "a number")
    return float(value)


def text(name: str, value: object, expected: str = "a name") -> str | None:
    """A text or a path as text, or None.

    Raises:
        QuestionError: another value.
    """
    if value is None:
        return None
    found = fspath(value) if isinstance(value, PathLike) else value
    if not isinstance(found, str) or not found or "\0" in found:
        raise refuse(name, value, expected)
    return found


def texts(name: str, value: object, expected: str) -> tuple[str, ...]:
    """Texts, of which one may stand alone.

    Raises:
        QuestionError: another value.
    """
    found = (value,) if isinstance(value, str) else value
    if not isinstance(found, Iterable):
        raise refuse(name, value, expected)
    return tuple(text(name, each, expected) or "" for each in found)


def flag(name: str, value: object) -> bool:
    """True or False.

    Raises:
        QuestionError: another value.
    """
    if not isinstance(value, bool):
        raise refuse(name, value, "True or False")
    return value


def choice(name: str, value: object, known: Iterable[str]) -> str:
    """One of these texts.

    Raises:
        QuestionError: another value.
    """
    names = tuple(known)
    if value not in names:
        raise refuse(name, value, f"one of {', '.join(names)}")
    return str(value)


def _speeds(value: object) -> str | None:
    """Speeds by rank in words, or None.

    Raises:
        QuestionError: another value.
    """
    if value is None:
        return None
    whole = isinstance(value, Mapping) and all(is_whole(rank) and rank >= 0 for rank in value)
    if not isinstance(value, Mapping) or not value or not whole:
        raise refuse("speeds", value, "factors by rank, such as {5: 0.5}")
    return format_speeds({int(rank): number("speeds", speed) or 0.0 for rank, speed in value.items()})


def question_options(model: object, cluster: object, asked: Mapping[str, Any]) -> Options:
    """The question in words; networks and clusters that are objects go by their names.

    Args:
        model: name, file or network.
        cluster: name, file or cluster.
        asked: ``global_batch``, ``seq_len``, ``precision``, ``optimizer``, ``stack``, ``input_pipeline``,
            ``imbalance``, ``speeds``.

    Raises:
        QuestionError: an argument of the wrong kind.
    """
    model_name = model.name if isinstance(model, Network) else text("model", model, MODEL)
    cluster_name = cluster.name if isinstance(cluster, Cluster) else text("cluster", cluster, CLUSTER)
    if model_name is None:
        raise refuse("model", model, MODEL)
    if cluster_name is None:
        raise refuse("cluster", cluster, CLUSTER)
    if isinstance(model, Network) and asked["seq_len"] is not None:
        raise refuse("seq_len", asked["seq_len"], "it in simdl.load_network, which made this network")
    return Options(
        model=model_name,
        cluster=cluster_name,
        global_batch=count("global_batch", asked["global_batch"]),
        seq_len=count("seq_len", asked["seq_len"]),
        precision=text("precision", asked["precision"], "a name such as 'bf16'"),
        optimizer=text("optimizer", asked["optimizer"], "a name such as 'adam'"),
        stack=text("stack", asked["stack"], "a software stack such as 'megatron-2023'"),
        input_pipeline=text("input_pipeline", asked.get("input_pipeline"), INPUTS),
        imbalance=number("imbalance", asked.get("imbalance")),
        speeds=_speeds(asked.get("speeds")),
    )
