"""Which published rows fixed which numbers: ``fits.toml``, and whether a prediction rests on its own row."""

from dataclasses import dataclass

from hardware.device import Device
from simdl.software.reader import stack_lineage
from simdl.software.stack import Stack
from validation.judging.rules import load_rules
from validation.published.identity import row_identity, table_identities
from validation.published.tables import PublishedRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Numbers of one stack file, or of devices with one board, that were fitted together.

    Attributes:
        stack: whose file holds the numbers, "" for devices.
        devices: profiles that share the number.
        fields: that the objective fixes.
        chosen: that somebody chose by looking at the same rows.
        tables: whose rows count.
        family: fits that are pulled towards each other.
    """

    stack: str = ""
    devices: tuple[str, ...] = ()
    fields: tuple[str, ...]
    chosen: tuple[str, ...] = ()
    tables: tuple[str, ...]
    family: str


def load_fits() -> tuple[Fit, ...]:
    """Every fit of the project, in the order of the file."""
    return load_rules("published/fits.toml", Fit)


def fits_behind(stack: str, device: str) -> tuple[Fit, ...]:
    """The fits whose numbers a prediction on a stack and a device uses."""
    lineage = stack_lineage(stack)
    return tuple(
        fit
        for fit in load_fits()
        if device in fit.devices or (fit.stack and any(_used(fit, field, lineage) for field in fit.fields))
    )


def fitted_on(row: PublishedRow, stack: Stack, device: Device) -> bool:
    """A number behind the prediction of a row was fitted on this very run, whatever its table is called."""
    identity = row_identity(row)
    return any(
        identity in table_identities(table)
        for fit in fits_behind(stack.name, device.name)
        for table in fit.tables
    )


def _used(fit: Fit, field: str, lineage: tuple[tuple[str, frozenset[str]], ...]) -> bool:
    """A stack takes a field from this fit's file: no stack between them sets it again."""
    owner = next((name for name, keys in lineage if field in keys), "")
    return owner == fit.stack
