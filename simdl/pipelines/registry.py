"""Registry: the pipelines by name, one a module of :mod:`simdl.pipelines.schedules`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from simdl.errors import SimdlError
from simdl.pipelines import schedules
from simdl.pipelines.pipeline import Pipeline
from simdl.pipelines.remembered import forget


def _load_pipelines() -> dict[str, Pipeline]:
    modules = (
        import_module(f"{schedules.__name__}.{module.name}") for module in iter_modules(schedules.__path__)
    )
    return {module.PIPELINE.name: module.PIPELINE for module in modules}


_PIPELINES = _load_pipelines()
PIPELINES: Mapping[str, Pipeline] = MappingProxyType(_PIPELINES)


def pipeline(name: str) -> Pipeline:
    """The pipeline of a name.

    Raises:
        SimdlError: no such pipeline.
    """
    if name not in PIPELINES:
        near = get_close_matches(name, PIPELINES, n=1, cutoff=0.4)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise SimdlError(f"schedule: found {name!r}; expected one of {', '.join(sorted(PIPELINES))}{hint}")
    return PIPELINES[name]


@contextmanager
def registered(added: Pipeline) -> Iterator[None]:
    """Know a pipeline for a while, as if a module of this package defined it.

    Raises:
        ValueError: the name is taken.
    """
    if added.name in _PIPELINES:
        raise ValueError(f"schedule: found a second {added.name!r}; expected a new name")
    _PIPELINES[added.name] = added
    try:
        yield
    finally:
        del _PIPELINES[added.name]
        forget()
