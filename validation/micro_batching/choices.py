"""What to run: the choice made from a measured table, or a saved answer of `simdl microbatch --json`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hardware.profiles import load_device
from planner.microbatch.configuration import (
    Configuration,
    MicroBatch,
    Policy,
    build_configuration,
    micro_batch_sizes,
)
from planner.microbatch.convolutions import ConvolutionPass
from planner.microbatch.costs import price_passes
from planner.microbatch.plan import Choice, Mode, plan_micro_batches
from readers.errors import InputError
from readers.whole import read_text
from simdl.errors import SimdlError
from simdl.kernels.convolution_table import ConvolutionRow
from validation.errors import MeasurementError
from workloads.dtypes import load_precision
from workloads.operators import Pass

EXPECTED = "expected the answer of `simdl microbatch --json`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Passes with what each is to run, in the same order.

    Attributes:
        batch: samples of the undivided passes.
        workspace: [bytes] limit of each pass or of all together.
        device: whose times they were chosen from.
        left_out: names of layers whose times nobody measured.
    """

    passes: tuple[ConvolutionPass, ...]
    choices: tuple[Choice, ...]
    batch: int
    workspace: float
    device: str
    left_out: tuple[str, ...] = ()


def choose(
    passes: Sequence[ConvolutionPass],
    rows: Sequence[ConvolutionRow],
    *,
    batch: int,
    workspace: float,
    policy: Policy,
    mode: Mode,
) -> Chosen:
    """The fastest configurations within a workspace, from measured times alone.

    Raises:
        MeasurementError: the table is of several devices, or of none of these layers.
        SimdlError: no configuration covers the batch.
        InfeasibleError: the limit is too low.
    """
    devices = sorted({row.device for row in rows})
    if len(devices) != 1:
        found = ", ".join(devices) or "none"
        raise MeasurementError(f"table: found rows of {found}; expected those of one device")
    places = {(row.layer, row.which) for row in rows}
    measured = [p for p in passes if {(p.layer, p.which), (p.block_layer, p.which)} & places]
    if not measured:
        layers = ", ".join(sorted({row.layer for row in rows}))
        raise MeasurementError(f"table: no row of a layer of the model; it holds {layers}")
    # every pass is in the table, so nothing of the device but its name is used
    device = replace(load_device("host-cpu"), name=devices[0])
    sizes = micro_batch_sizes(policy, batch)
    priced = price_passes(measured, sizes, device, load_precision("fp32"), rows)
    plan = plan_micro_batches(priced, batch=batch, workspace=workspace, mode=mode)
    return Chosen(
        passes=tuple(measured),
        choices=plan.choices,
        batch=batch,
        workspace=workspace,
        device=devices[0],
        left_out=tuple(dict.fromkeys(p.layer for p in passes if p not in measured)),
    )


def read_choices(path: Path, passes: Sequence[ConvolutionPass]) -> Chosen:
    """The choices of an answer that `simdl microbatch --json` printed.

    Raises:
        MeasurementError: unreadable, no such answer, or of other layers.
    """
    try:
        answer = json.loads(read_text(path, EXPECTED.removeprefix("expected ")))
        choices = tuple(map(_choice, answer["layers"]))
        batch, workspace = int(answer["batch"]), float(answer["workspace_limit"])
        device = str(answer["device"])
    except InputError as error:
        raise MeasurementError(str(error)) from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise MeasurementError(f"{path}: cannot be read: {error}; {EXPECTED}") from None
    except KeyError as error:
        raise MeasurementError(f"{path}: no key {error}; {EXPECTED}") from None
    except (TypeError, ValueError) as error:
        raise MeasurementError(f"{path}: {error}; {EXPECTED}") from None
    known = {(part.layer, part.which): part for part in passes}
    strange = [choice.layer for choice in choices if (choice.layer, choice.which) not in known]
    if strange:
        raise MeasurementError(f"{path}: layer {strange[0]} is none of the model's; expected its own layers")
    _check_cover(path, choices, batch)
    return Chosen(
        passes=tuple(known[choice.layer, choice.which] for choice in choices),
        choices=choices,
        batch=batch,
        workspace=workspace,
        device=device,
    )


def _choice(record: Mapping[str, Any]) -> Choice:
    undivided = record["undivided"]
    return Choice(
        layer=record["layer"],
        which=Pass(record["pass"]),
        measured=bool(record["measured"]),
        configuration=_configuration(record["micro_batches"]),
        undivided=None if undivided is None else _configuration(undivided["micro_batches"]),
    )


def _configuration(parts: Iterable[Mapping[str, Any]]) -> Configuration:
    return build_configuration(
        MicroBatch(
            size=int(part["size"]),
            algorithm=str(part["algorithm"]),
            time=float(part["time"]),
            workspace=float(part["workspace"]),
        )
        for part in parts
    )


def _check_cover(path: Path, choices: Iterable[Choice], batch: int) -> None:
    for choice in choices:
        sizes = [part.size for part in choice.configuration.micro_batches]
        if sum(sizes) != batch or min(sizes) < 1:
            raise MeasurementError(
                f"{path}: {choice.layer} {choice.which.value}: micro-batches of {sizes}; "
                f"expected sizes that add up to the batch of {batch}"
            )


def check_algorithms(chosen: Chosen, algorithms: Sequence[str], backend: str) -> None:
    """Refuse what a backend cannot be told to run.

    Raises:
        SimdlError: a choice names such an algorithm.
    """
    for choice in chosen.choices:
        for configuration in filter(None, (choice.configuration, choice.undivided)):
            for part in configuration.micro_batches:
                if part.algorithm not in algorithms:
                    raise SimdlError(
                        f"{choice.layer} {choice.which.value}: {backend} cannot be told to run "
                        f"{part.algorithm}; expected {', '.join(algorithms)}"
                    )
