"""The trace formats as strict schemas: any key or type beside them is a fault.

Source: "Trace Event Format", Google, 2016, and what Holistic Trace Analysis reads of a Kineto trace.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


Number = NonNegativeFloat | NonNegativeInt


class Place(Strict):
    pid: NonNegativeInt
    tid: NonNegativeInt


class NameArgs(Strict):
    name: str = Field(min_length=1)


class Name(Place):
    ph: Literal["M"]
    name: Literal["process_name", "thread_name"]
    args: NameArgs


class SortArgs(Strict):
    sort_index: NonNegativeInt


class Sort(Place):
    ph: Literal["M"]
    name: Literal["process_sort_index", "thread_sort_index"]
    args: SortArgs


class SpanArgs(Strict):
    rank: NonNegativeInt | None = None
    microbatch: NonNegativeInt | None = None
    stage: NonNegativeInt | None = None
    layers: str | None = None
    bytes: Number | None = None
    parts_us: dict[str, Number] | None = None
    critical: Literal[True] | None = None


class Span(Place):
    ph: Literal["X"]
    name: str = Field(min_length=1)
    ts: Number
    dur: Number
    args: SpanArgs


class CounterArgs(Strict):
    bytes: Number | None = None
    bytes_per_s: Number | None = None


class Counter(Place):
    ph: Literal["C"]
    name: str
    ts: Number
    args: CounterArgs


class FlowStart(Place):
    ph: Literal["s"]
    cat: Literal["transfer"]
    name: Literal["transfer"]
    id: NonNegativeInt
    ts: Number


class FlowEnd(FlowStart):
    ph: Literal["f"]
    bp: Literal["e"]


class ChromeTrace(Strict):
    traceEvents: list[Name | Sort | Span | Counter | FlowStart | FlowEnd] = Field(min_length=1)  # noqa: N815
    displayTimeUnit: Literal["ms"]  # noqa: N815


class StepMark(Place):
    ph: Literal["X"]
    cat: Literal["user_annotation"]
    name: str = Field(pattern=r"^ProfilerStep#\d+$")
    ts: NonNegativeInt
    dur: PositiveInt
    args: dict[str, None]


class LaunchArgs(Strict):
    correlation: PositiveInt


class Launch(Place):
    ph: Literal["X"]
    cat: Literal["cuda_runtime"]
    name: Literal["cudaLaunchKernel"]
    ts: NonNegativeInt
    dur: NonNegativeInt
    args: LaunchArgs


class KernelArgs(LaunchArgs):
    stream: PositiveInt
    device: NonNegativeInt
    microbatch: NonNegativeInt | None = None
    stage: NonNegativeInt | None = None


class Kernel(Place):
    ph: Literal["X"]
    cat: Literal["kernel"]
    name: str = Field(min_length=1)
    ts: NonNegativeInt
    dur: NonNegativeInt
    args: KernelArgs


class Distributed(Strict):
    backend: Literal["nccl"]
    rank: NonNegativeInt
    world_size: PositiveInt


class HtaTrace(Strict):
    schemaVersion: Literal[1]  # noqa: N815
    distributedInfo: Distributed  # noqa: N815
    traceEvents: list[Annotated[StepMark | Launch | Kernel, Field(discriminator="cat")]] = Field(  # noqa: N815
        min_length=1
    )
