"""Parts of a session: commands that do without one another, the most telling first.

They run from a plain checkout. Measuring needs NumPy and CuPy or PyTorch; training, calibration and
micro-batching also need what simdl depends on (simpy, pulp, highspy), on ``PYTHONPATH`` if not installed.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product

RUN = "from validation.commands.{name} import {name}; {name}(prog_name={name!r})"
"""A command of simdl without an installed entry point."""

NETWORKS = (
    ("resnet50", ("--batch", "64"), ("--batch", "256")),
    ("vgg16", ("--batch", "32"), ("--batch", "128")),
    ("gpt2", ("--batch", "4", "--seq-len", "1024"), ("--batch", "16", "--seq-len", "1024")),
)
"""What is trained, at which batches."""

PRECISIONS = ("fp32", "tf32", "bf16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One command.

    Attributes:
        name: of what it leaves.
        command: arguments, the program first; ``{out}`` stands for the part's own directory.
        limit: [s] after which it is ended.
    """

    name: str
    command: tuple[str, ...]
    limit: float


def session_parts(device: str) -> tuple[Part, ...]:
    """Everything that a session runs on a GPU, named ``cuda:N``."""
    return (
        Part(name="gpu", command=("nvidia-smi", "-q"), limit=15),
        _calibration("cupy", device, limit=170),
        *_micro_batching(device),
        *_training(device),
        _calibration("torch", device, limit=100),
        Part(
            name="gpu-tests",
            command=(
                *_python("-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"),
                "tests/validation",
            ),
            limit=60,
        ),
    )


def _calibration(backend: str, device: str, *, limit: float) -> Part:
    """`simdl calibrate`, or measuring alone where the fit's dependencies are not there."""
    options = ("--quick", "--device", device, "--backend", backend, "--out", "{out}")
    complete = all(find_spec(name) for name in ("simpy", "pulp", "highspy"))
    command = _simdl("calibrate") if complete else _python("-m", "validation.microbenchmarks")
    return Part(name=f"calibration-{backend}", command=(*command, *options), limit=limit)


def _micro_batching(device: str) -> Iterator[Part]:
    """Tables measured, micro-batches chosen from them and run, in FP32."""
    for model, batch, workspace in (("alexnet-owt", "128", "32MiB"), ("vgg16", "64", "64MiB")):
        options = (
            "--measure",
            "--write-table",
            "{out}/table.csv",
            "--batch",
            batch,
            "--workspace",
            workspace,
        )
        where = ("--backend", "cupy", "--device", device, "--json")
        command = (*_simdl("microbatch"), model, *options, *where)
        yield Part(name=f"micro-batching-{model}", command=command, limit=70)


def _training(device: str) -> Iterator[Part]:
    """Training steps in every precision, the larger batches last."""
    for index, (model, *batches), precision in product((0, 1), NETWORKS, PRECISIONS):
        batch = batches[index]
        options = ("--precision", precision, "--device", device, "--steps", "10", "--budget", "25")
        yield Part(
            name=f"training-{model}-{batch[1]}-{precision}",
            command=(*_simdl("train"), model, *batch, *options, "--no-layers", "--json"),
            limit=30,
        )


def _simdl(name: str) -> tuple[str, ...]:
    return _python("-c", RUN.format(name=name))


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)
