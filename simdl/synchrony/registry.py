"""Every scheme by name."""

from simdl.errors import SimdlError
from simdl.synchrony.scheme import Scheme
from simdl.synchrony.schemes import (
    asynchronous,
    backup_workers,
    elastic_averaging,
    gossip,
    hogwild,
    local_sgd,
    stale_synchronous,
    synchronous,
)

SCHEMES: dict[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        synchronous.SCHEME,
        backup_workers.SCHEME,
        stale_synchronous.SCHEME,
        asynchronous.SCHEME,
        hogwild.SCHEME,
        gossip.SCHEME,
        elastic_averaging.SCHEME,
        local_sgd.SCHEME,
    )
}
ALIASES: dict[str, str] = {alias: scheme.name for scheme in SCHEMES.values() for alias in scheme.aliases}


def find_scheme(name: str) -> Scheme:
    """The scheme of this name or alias.

    Raises:
        SimdlError: there is none.
    """
    plain = name.strip().lower().replace("_", "-").replace(" ", "-")
    try:
        return SCHEMES[ALIASES.get(plain, plain)]
    except KeyError:
        raise SimdlError(f"scheme: found {name!r}; expected one of {', '.join(SCHEMES)}") from None
