"""Registry: the pipelines by name. A module of this package that defines ``PIPELINE`` is found by itself."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import MappingProxyType

from simdl.errors import SimdlError
from simdl.pipelines.pipeline import Pipeline


def _load_pipelines() -> dict[str, Pipeline]:
    names = (f"{__package__}.{module.name}" for module in iter_modules([str(Path(__file__).parent)]))
    modules = (import_module(name) for name in names if name != __name__)
    found = (module.PIPELINE for module in modules if hasattr(module, "PIPELINE"))
    return {pipeline.name: pipeline for pipeline in found}


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
