"""`simdl collectives` as a call, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hardware.cluster import Cluster
from planner.interface.arguments import FilePath, choice, count, flag, one_family, refuse, text
from planner.interface.loading import load_cluster
from planner.interface.result import Figures, Result
from planner.questions.collectives import (
    HEADER,
    choice_lines,
    collective_rows,
    collective_title,
    collectives_json,
    parse_sizes,
)
from simdl.communication import Operation
from simdl.errors import SimdlError
from simdl.step.strategy_values import is_whole

if TYPE_CHECKING:
    import pandas as pd

SIZES = "bytes, a size such as '64MiB', or a range such as '1KiB..1GiB', or a list of the first two"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Collectives(Result):
    """Time of a collective by message size.

    Attributes:
        answer: the command's JSON: ``rows`` by size and algorithm, the library's ``choice`` and the
            ``crossovers`` of the fastest algorithm.
    """

    answer: Mapping[str, Any]

    @property
    def headline(self) -> str:
        """What was asked, and what the largest message takes."""
        data = dict(self.answer)
        size, time, *_, bus, _bound = collective_rows(data)[-1]
        return f"{collective_title(data)}: {size} in {time}, bus bandwidth {bus}"

    @property
    def _data(self) -> Mapping[str, Any]:
        return self.answer

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        return HEADER, collective_rows(dict(self.answer))

    @property
    def _notes(self) -> Sequence[str]:
        return self.explain()

    @property
    def _figures(self) -> Figures:
        from planner.pages.figures.collectives import (  # noqa: PLC0415 - plotly
            bus_bandwidth_figure,
            collective_time_figure,
        )

        rows = self.answer["rows"]
        return {"time": lambda: collective_time_figure(rows), "bandwidth": lambda: bus_bandwidth_figure(rows)}

    def explain(self) -> tuple[str, ...]:
        """What the library takes by size, and where the fastest algorithm changes, as sentences."""
        return tuple(choice_lines(dict(self.answer)))

    def frame(self) -> "pd.DataFrame":
        """One row per size and algorithm: ``time`` [s], bandwidths [bytes/s] and ``lower_bound`` [s]."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        return pd.DataFrame(self.answer["rows"])


@one_family
def collectives(
    cluster: str | Cluster | FilePath,
    *,
    op: str = Operation.ALL_REDUCE.value,
    size: str | int | Sequence[str | int] = "1KiB..1GiB",
    ranks: int | None = None,
    stride: int = 1,
    algorithm: str = "auto",
    library: str | None = None,
    stepwise: bool = False,
) -> Collectives:
    """Time of a collective on a cluster by message size, as `simdl collectives` prints it.

    Args:
        cluster: ``"NODE:COUNT"``, a TOML file, or a cluster of `simdl.load_cluster`.
        op: operation: ``"all_reduce"``, ``"all_gather"``, ``"reduce_scatter"``, ``"broadcast"``, ... The size
            of an all-gather is its output, of a reduce-scatter its input, of an all-to-all what one rank
            sends.
        size: bytes, a text such as ``"64MiB"``, a range ``"1KiB..1GiB"`` whose powers of two are taken, or a
            list of sizes.
        ranks: members of the group; by default all devices.
        stride: distance in rank between neighbours of the group.
        algorithm: ``"auto"`` for the library's choice, ``"all"`` for each that applies, or a name.
        library: collective library, with a version where rules are known by version (``"nccl:2.21.5"``); by
            default the one that the cluster's file names, else the device's own.
        stepwise: also run every message of the algorithm as an event on the cluster's links; ``stepwise`` in
            the answer has the times beside those of the closed form.

    Returns:
        The times.

    Raises:
        SimdlError: an argument names what does not exist, or the group does not fit on the cluster.

    Example:
        >>> import simdl
        >>> times = simdl.collectives("dgx-a100:2", size="64MiB").frame()
        >>> bool(times.time[0] > times.lower_bound[0])
        True
    """
    operation = Operation(choice("op", op, [each.value for each in Operation]))
    known = cluster if isinstance(cluster, Cluster) else load_cluster(cluster)
    if known.more:
        raise SimdlError(f"cluster: found {known.name}, a mixed one; expected nodes of one type")
    answer = collectives_json(
        known,
        operation=operation,
        sizes=_sizes(size),
        ranks=count("ranks", ranks),
        stride=count("stride", stride) or 1,
        algorithm=text("algorithm", algorithm) or "auto",
        library=text("library", library),
        stepwise=flag("stepwise", stepwise),
    )
    return Collectives(answer=answer)


def _sizes(size: object) -> list[int]:
    """[bytes] that are asked for.

    Raises:
        QuestionError: no sizes.
        UnitError: a text that is none.
    """
    if isinstance(size, str):
        return parse_sizes(size, "size")
    if is_whole(size) and size >= 1:
        return [int(size)]
    if isinstance(size, Sequence) and size:
        return [nbytes for each in size for nbytes in _sizes(each)]
    raise refuse("size", size, SIZES)
