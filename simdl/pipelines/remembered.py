"""What is remembered of schedules by their names, and forgotten when a name may come to mean another one."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from functools import _lru_cache_wrapper

Found = TypeVar("Found")
_CACHES: "list[_lru_cache_wrapper[object]]" = []


def remembered(maxsize: int) -> "Callable[[Callable[..., Found]], _lru_cache_wrapper[Found]]":
    """`functools.lru_cache` for a function of the name of a schedule, or of a strategy, which has one."""

    def decorate(function: Callable[..., Found]) -> "_lru_cache_wrapper[Found]":
        cached = lru_cache(maxsize=maxsize)(function)
        _CACHES.append(cached)
        return cached

    return decorate


def forget() -> None:
    """Forget all of it."""
    for cache in _CACHES:
        cache.cache_clear()
