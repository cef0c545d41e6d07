"""`simdl search` as a call, and its result."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.console.format import format_duration
from planner.interface.arguments import FilePath, count, one_family, refuse, text
from planner.interface.result import Figures, Result
from planner.trials.answer import SearchAnswer, headline, placements, search_json, search_trials
from planner.trials.table import read_trials
from planner.workers.spread import Hands
from simdl.cores import usable_cores

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Packed(Result):
    """Trials packed on the devices of a cluster.

    Attributes:
        answer: the trials, what each takes by number of devices, and the packing.
        wall_time: [s] that the call took.
    """

    answer: SearchAnswer
    wall_time: float

    @property
    def makespan(self) -> float:
        """[s] until the last trial ends."""
        return self.answer.packing.makespan

    @property
    def bound(self) -> float:
        """[s] that no packing undercuts."""
        return self.answer.packing.bound

    @property
    def utilisation(self) -> float:
        """Share of the devices' time until then that trials fill."""
        return self.answer.utilisation

    @property
    def headline(self) -> str:
        """How long all trials take together, and how sure that is."""
        return headline(self.answer)

    @property
    def _data(self) -> Mapping[str, Any]:
        return {**search_json(self.answer), "wall_time": self.wall_time}

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        rows = [
            (trial.name, str(choice.devices), format_duration(placed.start), format_duration(placed.end))
            for trial, choice, placed, _ in placements(self.answer)
        ]
        return ("trial", "devices", "starts", "ends"), rows

    @property
    def _figures(self) -> Figures:
        def gantt() -> "go.Figure":
            from planner.pages.figures.trials import gantt_figure  # noqa: PLC0415 - plotly, only if drawn

            return gantt_figure(self._data["trials"], self.answer.cluster.devices)

        return {"gantt": gantt}

    def frame(self) -> "pd.DataFrame":
        """One row per trial, in base units."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        return pd.DataFrame(
            [{k: v for k, v in each.items() if k != "choices"} for each in self._data["trials"]]
        )


@one_family
def search(
    trials: FilePath, cluster: str, *, workers: int | None = None, scheduler: str | None = None
) -> Packed:
    """Pack independent trainings on a cluster so that the last one ends early, as `simdl search` does.

    Args:
        trials: CSV file with the columns ``name``, ``model``, ``length``, and those that docs/sweep.md lists.
        cluster: nodes of one kind, such as ``"dgx-a100:4"``.
        workers: processes that plan them; by default as many as there are cores.
        scheduler: address of a Dask cluster that does so instead.

    Returns:
        When and where every trial runs.

    Raises:
        SimdlError: a table that says what none says, or a trial that fits nowhere.
    """
    path = text("trials", trials, "a CSV file of trials")
    place = text("cluster", cluster, "a cluster such as 'dgx-a100:4'")
    if path is None:
        raise refuse("trials", trials, "a CSV file of trials")
    if place is None:
        raise refuse("cluster", cluster, "a cluster such as 'dgx-a100:4'")
    started = time.perf_counter()
    address = text("scheduler", scheduler, "an address such as 'tcp://10.0.0.1:8786'")
    hands = Hands(workers=count("workers", workers) or usable_cores(), scheduler=address)
    answer = search_trials(read_trials(Path(path)), place, hands=hands)
    return Packed(answer=answer, wall_time=time.perf_counter() - started)
