from dataclasses import replace

import pytest

from hardware.attention_kernels import attention_algorithms
from hardware.profiles import load_device
from validation.fit.attention import attention_rows, fit_attention, main, on_architecture, price
from validation.fit.kernels import published_rows
from validation.fit.left_out_kernels import registered


@pytest.fixture(scope="module")
def rows():
    return registered(published_rows())


@pytest.mark.published
def test_the_file_holds_what_the_fit_gives(rows):
    own = attention_rows(rows)["flash-2"]
    found = fit_attention(own)["flash-2"]
    known = attention_algorithms()["flash-2"].kernels
    for generation in ("ampere", "hopper"):
        for which in ("forward", "backward"):
            fitted, held = (getattr(each[generation], which) for each in (found, known))
            assert held.share == pytest.approx(fitted.share, rel=0.05)


def test_the_fit_finds_what_made_the_rows(rows):
    own = [row for row in attention_rows(rows)["flash-3"] if row.then is None]
    made = [replace(row, measured=price(row, load_device(row.device))) for row in own]
    found = fit_attention(made)["flash-3"]["hopper"].forward
    held = attention_algorithms()["flash-3"].kernels["hopper"].forward
    assert found.share == pytest.approx(held.share, rel=0.1)


def test_an_architecture_that_was_not_timed_takes_the_mean_share_of_the_others():
    known = {name: found.kernels for name, found in attention_algorithms().items()}
    blackwell = on_architecture(known, "blackwell")
    assert blackwell["cudnn-2026"] == known["cudnn-2026"]["blackwell"]
    shares = [known["flash-2"][generation].forward.share for generation in ("ampere", "hopper")]
    assert blackwell["flash-2"].forward.share == pytest.approx((shares[0] * shares[1]) ** 0.5)


def test_the_command_prints_every_algorithm(capsys, monkeypatch, rows):
    few = [row for row in rows if row in attention_rows(rows).get("flash-3", [])]
    monkeypatch.setattr("validation.fit.attention.published_rows", lambda: few)
    main([])
    assert capsys.readouterr().out.startswith("flash-3.forward: softmax")
