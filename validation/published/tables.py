"""Tables of published training measurements: two known headers, one row type.

The columns are those of the project's published tables (``validation/published``): one header for language
models, one for whole-network throughput. A table may have more columns; it may not lack one. Cells stay
text until the other modules of this package give them meaning, because blank means "not published" and
``OOM`` is a result.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from validation.errors import MeasurementError
from validation.judging.tables import numbered_rows, read_table

TableKind = Literal["llm", "cnn"]

_LLM_HEADER = """
source source_item model n_params_b n_layers hidden n_heads n_kv_heads ffn vocab seq_len moe_experts
moe_topk device n_devices devices_per_node intra_node inter_node precision tp pp dp cp ep vp sp
data_sharding micro_batch global_batch recompute schedule step_time_s tflops_per_device tokens_per_s
tokens_per_s_per_device mfu_pct hfu_pct mem_gib notes
"""
_CNN_HEADER = """
source source_item model image_size_or_seq_len device device_memory_gib n_devices devices_per_node
intra_node inter_node batch_per_device global_batch precision data framework sync_method grad_accumulation
metric value mem_gib trust notes
"""
LLM_COLUMNS = tuple(_LLM_HEADER.split())
CNN_COLUMNS = tuple(_CNN_HEADER.split())
HEADERS: Mapping[TableKind, tuple[str, ...]] = {"llm": LLM_COLUMNS, "cnn": CNN_COLUMNS}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PublishedRow:
    """One measured training run as its table prints it.

    Attributes:
        file: name of the table.
        number: data row, counted from 1 (the header is not counted).
        kind: which header the table has.
        cells: column name to text, stripped.
    """

    file: str
    number: int
    kind: TableKind
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTables:
    """Rows of one or more tables, and the files that are no such table with the reason."""

    rows: tuple[PublishedRow, ...]
    skipped_files: Mapping[str, str]


def published_folder() -> Path:
    """Folder of the tables that come with the project."""
    return Path(str(resources.files("validation"))) / "published"


NETWORK_TABLES = (
    "training",
    "timm-train",
    "timm-infer",
    "torchvision-train-steps",
    "lambda-deeplearning-benchmark",
    "mlperf-training",
    "neuron-training",
    "gnn-training",
)
"""Tables of whole networks below ``cnn``, where kernels' and sweeps' tables stand too."""


def load_published() -> PublishedTables:
    """Rows of every training table that comes with the project."""
    rows = load_tables(published_folder() / "llm").rows
    for name in NETWORK_TABLES:
        rows += load_tables(published_folder() / "cnn" / f"{name}.csv").rows
    return PublishedTables(rows=rows, skipped_files={})


def load_tables(path: Path) -> PublishedTables:
    """Rows of one CSV, or of every CSV with a known header below a folder.

    Args:
        path: a table, or a folder that is searched with everything below it.

    Raises:
        MeasurementError: no such path, a file that is not such a table, or a folder without any.
    """
    if not path.exists():
        raise MeasurementError(
            f"{path}: no such file or folder; expected a CSV file or a folder of CSV files"
        )
    if not path.is_dir():
        return PublishedTables(rows=load_table(path, name=path.name), skipped_files={})
    files = sorted(path.rglob("*.csv"))
    rows: list[PublishedRow] = []
    skipped: dict[str, str] = {}
    for file, name in zip(files, _names(files, path), strict=True):
        try:
            rows += load_table(file, name=name)
        except MeasurementError as error:
            skipped[name] = str(error).removeprefix(f"{file}: ")
    if not rows:
        raise MeasurementError(
            f"{path}: found {len(files)} CSV files and none with a known header; expected the columns of "
            f"a language-model table ({_few(LLM_COLUMNS)}) or a network table ({_few(CNN_COLUMNS)})"
        )
    return PublishedTables(rows=tuple(rows), skipped_files=skipped)


def load_table(path: Path, *, name: str) -> tuple[PublishedRow, ...]:
    """Rows of one CSV in file order.

    Args:
        path: the file.
        name: what the rows call it.

    Raises:
        MeasurementError: no table of text, or a header that lacks columns.
    """
    table = read_table(path)
    kind = _table_kind(path, tuple(table.columns))
    return tuple(
        PublishedRow(file=name, number=number, kind=kind, cells=cells)
        for number, cells in numbered_rows(table)
    )


def _table_kind(path: Path, header: Sequence[str]) -> TableKind:
    missing = {kind: [c for c in columns if c not in header] for kind, columns in HEADERS.items()}
    kind = min(missing, key=lambda k: len(missing[k]) / len(HEADERS[k]))
    if missing[kind]:
        raise MeasurementError(
            f"{path}: header: found {_few(header)}; expected also {', '.join(missing[kind])} "
            f"(columns of a {kind} table)"
        )
    return kind


def _names(files: list[Path], folder: Path) -> Iterable[str]:
    counts = Counter(file.name for file in files)
    return [f.name if counts[f.name] == 1 else f.relative_to(folder).as_posix() for f in files]


def _few(columns: Iterable[str]) -> str:
    names = list(columns)
    return ", ".join(names[:6]) + (f", ... ({len(names)} columns)" if len(names) > 6 else "")
