"""Families that Hugging Face configs describe, by their `model_type`; each is made when it is asked for."""

from collections.abc import Iterator, Mapping

from workloads.importers.families.base import Family
from workloads.importers.families.rows import family, read_rows

__all__ = ["FAMILIES", "Family"]


class _Families(Mapping[str, type[Family]]):
    def __init__(self) -> None:
        self._rows = {kind: name for name, row in read_rows().items() for kind in (name, *row.types)}

    def __getitem__(self, kind: str) -> type[Family]:
        return family(self._rows[kind])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


FAMILIES: Mapping[str, type[Family]] = _Families()
