from dataclasses import replace

import pytest

from hardware.attention_kernels import attention_algorithms
from hardware.profiles import load_device
from hardware.sustained import power_exponent
from validation.fit.attention import Timed, attention_rows, carried_kernels, fit_attention, main, price
from validation.fit.kernels import published_rows
from validation.fit.left_out_kernels import registered


@pytest.fixture(scope="module")
def rows():
    return registered(published_rows())


@pytest.mark.published
def test_the_file_holds_what_the_fit_gives(rows):
    """Rows of validation/published/kernels, each with its source column."""
    own = attention_rows(rows)["flash-2"]
    found = fit_attention(own)["flash-2"]
    known = attention_algorithms()["flash-2"].kernels
    for generation in ("ampere", "hopper"):
        for which in ("forward", "backward"):
            fitted, held = (getattr(each[generation], which) for each in (found, known))
            assert held.share == pytest.approx(fitted.share, rel=0.05)


def test_the_fit_finds_what_made_the_rows(rows):
    own = [row for row in attention_rows(rows)["flash-3"][::3] if row.then is None]
    made = [replace(row, measured=price(row, load_device(row.device))) for row in own]
    found = fit_attention(made)["flash-3"]["hopper"].forward
    held = attention_algorithms()["flash-3"].kernels["hopper"].forward
    assert found.share == pytest.approx(held.share, rel=0.1)


@pytest.mark.theory
def test_shares_carry_over_by_power_within_and_by_code_between_architectures():
    names = ("gb200", "gb300", "a100-sxm-80gb", "h100-sxm-80gb")
    gb200, gb300, a100, h100 = (load_device(name) for name in names)
    kernels = {name: found.kernels for name, found in attention_algorithms().items()}
    timed = {
        "cudnn-2026": [Timed(kernels=kernels["cudnn-2026"]["hopper"], device=h100)],
        "flash-2": [Timed(kernels=kernels["flash-2"]["ampere"], device=a100)],
    }
    carried = carried_kernels(timed, gb200)
    assert carried["cudnn-2026"].forward.share == pytest.approx(kernels["cudnn-2026"]["hopper"].forward.share)
    own = kernels["flash-2"]["ampere"].forward.share
    assert carried["flash-2"].forward.share == pytest.approx(own * 2048 / 8192)
    board = {"cudnn-2026": [Timed(kernels=kernels["cudnn-2026"]["blackwell"], device=gb300)]}
    lower = carried_kernels(board, gb200)["cudnn-2026"].forward.share
    slower = (1200 / 1400) ** power_exponent()
    assert lower == pytest.approx(kernels["cudnn-2026"]["blackwell"].forward.share * slower)


def test_the_command_prints_every_algorithm(capsys, monkeypatch, rows):
    few = attention_rows(rows)["flash-3"][::3]
    monkeypatch.setattr("validation.fit.attention.published_rows", lambda: few)
    main([])
    assert capsys.readouterr().out.startswith("flash-3.forward: softmax")
