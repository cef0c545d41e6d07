"""Tables of convolution times and workspaces by layer, as `simdl microbatch --table` reads them."""

from collections.abc import Iterable, Mapping, Sequence

from simdl.kernels.convolution_table import ConvolutionRow
from validation.microbenchmarks.families.convolution import TABLES, convolution_dims, convolution_shape
from validation.microbenchmarks.measurement import Measurement, quietest
from workloads.operators import ConvolutionShape, Pass
from workloads.registry import load_network


def convolution_tables(
    measurements: Iterable[Measurement], device: str
) -> Mapping[str, tuple[ConvolutionRow, ...]]:
    """By network, a row for every layer, pass, algorithm and batch that was measured.

    Args:
        measurements: of one setting, in one dtype.
        device: name that the rows bear, that of the profile's device.
    """
    found = [
        row
        for row in quietest(measurements).values()
        if row.case.family == "convolution" and row.case.dtype == "fp32"
    ]
    by_shape: dict[tuple[ConvolutionShape, Pass], list[Measurement]] = {}
    for row in found:
        dims = dict(row.case.dims)
        del dims["batch"]
        which = Pass(row.case.kernel.partition("/")[2])
        by_shape.setdefault((ConvolutionShape(**dims), which), []).append(row)
    tables = {name: tuple(_rows(name, device, by_shape)) for name in TABLES}
    return {name: rows for name, rows in tables.items() if rows}


def _rows(
    network: str, device: str, by_shape: Mapping[tuple[ConvolutionShape, Pass], Sequence[Measurement]]
) -> Iterable[ConvolutionRow]:
    for name, layer in load_network(network).layers():
        shape = convolution_shape(layer)
        if shape is None:
            continue
        for which in Pass:
            for row in by_shape.get((shape, which), ()):
                assert convolution_dims(shape, row.case.dims["batch"]) == dict(row.case.dims)  # noqa: S101
                yield ConvolutionRow(
                    device=device,
                    layer=name,
                    which=which,
                    algorithm=row.case.algorithm,
                    batch=row.case.dims["batch"],
                    time=row.value,
                    workspace=row.workspace,
                )
