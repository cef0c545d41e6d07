"""Answers read back from files: what `simdl plan --json` or `simdl simulate --json` printed."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from math import isclose
from pathlib import Path
from typing import Any

from planner.questions.question import Options
from readers.errors import InputError
from readers.whole import read_text
from simdl.errors import SimdlError
from simdl.report.operator_times import OperatorTime

VERSION = 2
"""Of the keys that an answer has; a file of another number cannot be read."""
WRITTEN = "the output of `simdl plan --json` or `simdl simulate --json` of this version"
EXPECTED = f"expected {WRITTEN}"
OPEN = ("input_pipeline", "imbalance", "speeds")
"""Options that an answer may leave out, as those do that are older than the option."""
TOLERANCE = 1e-6  # relative, of sums
LARGEST = sys.float_info.max


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One simulated step as a file holds it; times [s], memory [bytes].

    Attributes:
        place: file, and number of the plan where there are several.
        step_time, samples_per_s, tokens_per_s, mfu, peak_memory, memory_bound_fraction: as in
            :class:`simdl.report.step_report.StepReport`.
        breakdown, critical_path: [s] by cause; each adds up to ``step_time``.
        critical_operators: what the critical path consists of; adds up to ``step_time``.
        kernels: [s] by kind of kernel, mean over ranks.
        question: what was asked, with nothing left open.
        strategy, provenance: as printed.
        why: what makes the plan better than its neighbours; empty for a simulation.
    """

    place: str
    step_time: float
    samples_per_s: float
    tokens_per_s: float
    mfu: float
    peak_memory: float
    memory_bound_fraction: float
    breakdown: Mapping[str, float]
    critical_path: Mapping[str, float]
    critical_operators: tuple[OperatorTime, ...]
    kernels: Mapping[str, float]
    question: Options
    strategy: Mapping[str, Any]
    provenance: Mapping[str, Any]
    why: tuple[str, ...]


def load_answer(path: Path, *, number: int = 1) -> Answer:
    """One answer of a file.

    Args:
        path: the JSON file.
        number: of the plan, from 1; a simulation has one.

    Raises:
        SimdlError: not readable, not such a file, or without that plan; names the key.
    """
    return read_answer(_read(path), str(path), number=number)


def read_answer(data: Mapping[str, Any], path: str, *, number: int = 1) -> Answer:
    """One answer of what a file holds; arguments and errors as in :func:`load_answer`.

    Args:
        data: the JSON.
        path: where it comes from, for messages.
        number: of the plan, from 1; a simulation has one.
    """
    if data.get("version") != VERSION:
        found = _shown(data.get("version"))
        raise SimdlError(f"{path}: version: found {found}; expected {VERSION}, {WRITTEN}")
    if "mode" in data:
        raise SimdlError(
            f"{path}: mode: found {_shown(data['mode'])}; expected an answer about training, {WRITTEN}"
        )
    plans = data.get("plans")
    if plans is None:
        plans = [data]
    elif not isinstance(plans, list):
        raise SimdlError(f"{path}: plans: found {_shown(plans)}; {EXPECTED}")
    if not plans:
        raise SimdlError(f"{path}: plans: empty; expected a plan that fits")
    if not 1 <= number <= len(plans):
        raise SimdlError(f"{path}: plan {number}: expected 1 to {len(plans)}")
    place = f"plans[{number - 1}]" if "plans" in data else ""
    return _answer(path, place, plans[number - 1], data)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(read_text(path, WRITTEN))
    except InputError as error:
        raise SimdlError(str(error)) from None
    except (ValueError, RecursionError) as error:  # of the text, the JSON, or a number of too many digits
        raise SimdlError(f"{path}: not JSON ({error}); {EXPECTED}") from error
    if not isinstance(data, dict):
        raise SimdlError(f"{path}: found {_shown(data)}; {EXPECTED}")
    return data


def _answer(path: str, place: str, data: object, whole: Mapping[str, Any]) -> Answer:
    if not isinstance(data, dict):
        raise SimdlError(f"{path}: {place}: found {_shown(data)}; {EXPECTED}")
    where = f"{path}: {place}." if place else f"{path}: "
    why = whole.get("why")
    step_time, samples, tokens = (
        _positive(where, key, data.get(key)) for key in ("step_time", "samples_per_s", "tokens_per_s")
    )
    return Answer(
        place=f"{path} {place}".strip(),
        step_time=step_time,
        samples_per_s=samples,
        tokens_per_s=tokens,
        mfu=_number(where, "mfu", data.get("mfu")),
        peak_memory=_number(where, "peak_memory", data.get("peak_memory")),
        memory_bound_fraction=_fraction(where, "memory_bound_fraction", data.get("memory_bound_fraction")),
        breakdown=_seconds(where, "breakdown", data.get("breakdown"), step_time),
        critical_path=_seconds(where, "critical_path", data.get("critical_path"), step_time),
        critical_operators=_operators(where, data.get("critical_operators"), step_time),
        kernels=_amounts(where, "kernels", data.get("kernels")),
        question=_question(f"{path}: ", whole.get("question")),
        strategy=_mapping(where, "strategy", data.get("strategy")),
        provenance=_mapping(where, "provenance", data.get("provenance")),
        why=tuple(map(str, why)) if isinstance(why, list) else (),
    )


def _question(where: str, found: object) -> Options:
    data = _mapping(where, "question", found)
    if faults := [*_key_faults(data), *_value_faults(data)]:
        raise SimdlError(f"{where}question: {'; '.join(faults)}; {EXPECTED}")
    return Options(**data)


def _key_faults(data: Mapping[str, Any]) -> Iterator[str]:
    known = [field.name for field in fields(Options)]
    for what, keys in (
        ("missing", [key for key in known if key not in data and key not in OPEN]),
        ("unknown", sorted(set(data) - set(known))),
    ):
        if keys:
            yield f"{what} {'key' if len(keys) == 1 else 'keys'} {', '.join(keys)}"


def _value_faults(data: Mapping[str, Any]) -> Iterator[str]:
    """What is of another kind; only the length of a sample may be left open, to the network."""
    uneven = data.get("imbalance")
    if uneven is not None and (isinstance(uneven, bool) or not isinstance(uneven, int | float)):
        yield f"imbalance: found {_shown(uneven)}, expected a number"
    for key in ("model", "cluster", "precision", "optimizer", "stack", "input_pipeline", "speeds"):
        absent = data.get(key) is None if key in OPEN else key not in data
        if not absent and not (isinstance(data[key], str) and data[key]):
            yield f"{key}: found {_shown(data[key])}, expected a text"
    for key in ("global_batch", "seq_len"):
        value = data.get(key)
        absent = key not in data or (key == "seq_len" and value is None)
        if not absent and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            yield f"{key}: found {_shown(value)}, expected a whole number of at least 1"


def _operators(where: str, found: object, step_time: float) -> tuple[OperatorTime, ...]:
    if not isinstance(found, list):
        raise SimdlError(f"{where}critical_operators: found {_shown(found)}; {EXPECTED}")
    operators = tuple(
        _operator(where, f"critical_operators[{place}]", item) for place, item in enumerate(found)
    )
    total = sum(operator.seconds for operator in operators)
    _check_sum(where, "critical_operators", total, step_time)
    return operators


def _operator(where: str, key: str, found: object) -> OperatorTime:
    data = _mapping(where, key, found)
    words = [data.get(name) for name in ("name", "phase", "kind")]
    if not all(isinstance(word, str) for word in words):
        raise SimdlError(f"{where}{key}: found {_shown(found)}; {EXPECTED}")
    name, phase, kind = map(str, words)
    seconds = _number(where, f"{key}.seconds", data.get("seconds"))
    return OperatorTime(name=name, phase=phase, kind=kind, seconds=seconds)


def _seconds(where: str, key: str, found: object, step_time: float) -> dict[str, float]:
    seconds = _amounts(where, key, found)
    _check_sum(where, key, sum(seconds.values()), step_time)
    return seconds


def _amounts(where: str, key: str, found: object) -> dict[str, float]:
    items = _mapping(where, key, found)
    return {name: _number(where, f"{key}.{name}", value) for name, value in items.items()}


def _check_sum(where: str, key: str, total: float, step_time: float) -> None:
    if not isclose(total, step_time, rel_tol=TOLERANCE):
        raise SimdlError(f"{where}{key}: adds up to {total:.6g}; expected the step time, {step_time:.6g}")


def _mapping(where: str, key: str, found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise SimdlError(f"{where}{key}: found {_shown(found)}; {EXPECTED}")
    return found


def _number(where: str, key: str, found: object) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= LARGEST:
        raise SimdlError(f"{where}{key}: found {_shown(found)}; {EXPECTED}")
    return float(found)


def _fraction(where: str, key: str, found: object) -> float:
    number = _number(where, key, found)
    if number > 1:
        raise SimdlError(f"{where}{key}: found {number:g}; expected a fraction, 0 to 1")
    return number


def _positive(where: str, key: str, found: object) -> float:
    number = _number(where, key, found)
    if number <= 0:
        raise SimdlError(f"{where}{key}: found {number:g}; expected a number above 0")
    return number


def _shown(found: object) -> str:
    """A value for a message: short, and a missing one as such."""
    if found is None:
        return "nothing"
    text = json.dumps(found)
    return text if len(text) <= 40 else f"{text[:37]}..."
