"""The keys of an image network's TOML file, checked one by one."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, PositiveInt
from pydantic_core import ErrorDetails

from workloads.layer import Layer
from workloads.layers import activation, classifier, dropout, elementwise, linear
from workloads.layers.images import convolution, normalization, pooling

BUILDERS: dict[str, Callable[..., Layer]] = {
    "convolution": convolution.convolution,
    "linear": linear.linear,
    "max_pool": pooling.max_pool,
    "average_pool": pooling.average_pool,
    "global_pool": pooling.global_pool,
    "batch_norm": normalization.batch_norm,
    "local_response_norm": normalization.local_response_norm,
    "relu": activation.relu,
    "sigmoid": activation.sigmoid,
    "tanh": activation.tanh,
    "dropout": dropout.dropout,
    "addition": elementwise.addition,
    "concatenation": elementwise.concatenation,
    "softmax": classifier.softmax,
}


def _extent(least: int) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:  # noqa: ANN401 (whatever the file holds)
        axes = value if isinstance(value, list) and len(value) == 2 else [value, value]
        if not all(type(axis) is int and axis >= least for axis in axes):
            raise ValueError(f"expected a whole number of at least {least}, or [height, width] of such")
        return value if isinstance(value, int) else tuple(axes)

    return check


Size = Annotated[Any, PlainValidator(_extent(1))]
Padding = Annotated[Any, PlainValidator(_extent(0))]


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LayerEntry(_Described):
    """One ``[[layers]]`` table; the keys that subclasses add are options of the builder."""

    name: Annotated[str, Field(min_length=1)]
    type: str
    inputs: Annotated[list[str], Field(min_length=1)] | None = None

    def options(self) -> dict[str, Any]:
        """The builder's options that the file gives."""
        return self.model_dump(exclude={"name", "type", "inputs"}, exclude_unset=True)


class Plain(LayerEntry):
    """A layer without options."""

    type: Literal[
        "batch_norm",
        "relu",
        "sigmoid",
        "tanh",
        "dropout",
        "global_pool",
        "addition",
        "concatenation",
        "softmax",
    ]


class Convolution(LayerEntry):
    """Options of `workloads.layers.images.convolution`."""

    type: Literal["convolution"]
    out_channels: PositiveInt
    kernel: Size
    stride: Size = 1
    padding: Padding = 0
    groups: PositiveInt = 1
    bias: bool = True


class Linear(LayerEntry):
    """Options of `workloads.layers.linear`."""

    type: Literal["linear"]
    out_features: PositiveInt
    bias: bool = True


class Pool(LayerEntry):
    """Options of `workloads.layers.images.pooling`."""

    type: Literal["max_pool", "average_pool"]
    kernel: Size
    stride: Size = None
    padding: Padding = 0
    ceil: bool = False


class ResponseNorm(LayerEntry):
    """Options of local response normalisation."""

    type: Literal["local_response_norm"]
    size: PositiveInt = 5


Entry = Annotated[Plain | Convolution | Linear | Pool | ResponseNorm, Field(discriminator="type")]


class ImageFile(_Described):
    """A whole file, without its ``kind``."""

    name: str = ""
    source: str = ""
    input: Annotated[tuple[PositiveInt, PositiveInt, PositiveInt], Field(strict=False)]
    layers: Annotated[list[Entry], Field(min_length=1)]


def parse_image(content: Mapping[str, Any]) -> ImageFile:
    """The checked content of an image network's file.

    Raises:
        pydantic.ValidationError: keys are missing, unknown or wrong.
    """
    return ImageFile.model_validate(content)


def place(fault: ErrorDetails) -> str:
    """A fault with the path of its key: ``layers[2].kernel: ...``."""
    path = ""
    for part in fault["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in BUILDERS:  # the union's tag is no key of the file
            path += f".{part}" if path else part
    if fault["type"] == "missing":
        return f"{path}: missing; expected a value"
    if fault["type"] == "extra_forbidden":
        return f"{path}: unknown key"
    if fault["type"].startswith("union_tag"):
        found = fault["input"].get("type") if isinstance(fault["input"], dict) else fault["input"]
        return f"{path}.type: found {found!r}; expected one of {', '.join(BUILDERS)}"
    expected = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{path}: found {fault['input']!r}; expected {expected.removeprefix('expected ')}"
