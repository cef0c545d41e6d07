from dataclasses import replace

import pytest

from hardware.profiles import load_device
from simdl.kernels.cost_model import estimate_kernel_time
from simdl.kernels.kernel import Product
from validation.fit.kernels import fit_device, fit_fraction, fitting_rows, main, published_rows
from validation.kernels.launches import product_kernel
from validation.kernels.rows import KernelRow


def with_fraction(device, dtype, value):
    return replace(device, matmul=replace(device.matmul, fraction={**device.matmul.fraction, dtype: value}))


def made_rows(device, dtype="bf16"):
    kernels = [product_kernel("matmul", Product(n, n, n), dtype) for n in (1024, 2048, 4096, 8192)]
    return [
        KernelRow(
            file="made",
            row=i,
            item="",
            device=device.name,
            kernel=kernel,
            measured=estimate_kernel_time(kernel, device),
        )
        for i, kernel in enumerate(kernels)
    ]


def test_the_fit_finds_the_fraction_that_made_the_rows():
    device = load_device("a100-sxm-80gb")
    rows = made_rows(with_fraction(device, "bf16", 0.63))
    found = fit_fraction(rows, lambda value: with_fraction(device, "bf16", value))
    assert found == pytest.approx(0.63, abs=0.005)


def test_only_what_the_rows_determine_is_fitted():
    device = load_device("a100-sxm-80gb")
    fitted, found = fit_device(device, made_rows(with_fraction(device, "fp16", 0.5), "fp16"))
    assert set(found) == {"matmul.fraction.fp16"}
    assert fitted.matmul.fraction["bf16"] == device.matmul.fraction["bf16"]
    assert fitted.matmul.fraction["fp16"] == pytest.approx(0.5, abs=0.005)


@pytest.mark.published
def test_the_profile_holds_what_the_fit_gives():
    """Rows of validation/published/kernels (DeepBench and others, each with its source column)."""
    device = load_device("v100-sxm2-16gb")
    rows = [row for row in fitting_rows(device, published_rows()) if isinstance(row.kernel.shape, Product)]
    _, found = fit_device(device, rows)
    assert found["matmul.fraction.fp16"] == pytest.approx(device.matmul.fraction["fp16"], abs=0.02)
    assert found["matmul.fraction.fp32"] == pytest.approx(device.matmul.fraction["fp32"], abs=0.02)


def test_held_out_rows_take_no_part():
    assert not any(row.held_out for row in fitting_rows(load_device("v100-sxm2-16gb"), published_rows()))


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--help"], 0, "DEVICE"),
        (["v100"], 2, "choose from"),
        (["cs-1"], 2, "cs-1: no published kernel was measured on it"),
        ([], 2, "required"),
    ],
)
def test_names_of_the_command_line_are_checked(capsys, arguments, status, message):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == status
    printed = capsys.readouterr()
    assert message in printed.out + printed.err


@pytest.mark.theory
def test_a_fit_prices_its_rows_once_for_each_golden_section():
    device = load_device("a100-sxm-80gb")
    kernel = product_kernel("matmul", Product(4096, 4096, 4096), "bf16")
    row = KernelRow(file="", row=1, item="", device=device.name, kernel=kernel, measured=1e-3)
    asked = []

    def price(_row, made):
        asked.append(made)
        return 1e-3 * made.matmul.fraction["bf16"] / 0.6

    found = fit_fraction([row], lambda value: with_fraction(device, "bf16", value), price)
    assert found == pytest.approx(0.6, abs=2e-3)
    assert len(asked) <= 2 + 14  # from 0.95 to 0.002 in steps of 0.618
