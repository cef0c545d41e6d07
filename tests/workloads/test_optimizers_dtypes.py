"""Optimizers and precisions by name, and the bytes they stand for."""

import pytest

from workloads.dtypes import PRECISIONS, load_precision
from workloads.errors import UnknownNameError
from workloads.optimizers import OPTIMIZERS, load_optimizer


@pytest.mark.published
def test_mixed_precision_adam_keeps_sixteen_bytes_a_parameter():
    """Rajbhandari et al. 2019, arXiv:1910.02054, section 3.1: 2 + 2 + (4 + 4 + 4) bytes."""
    for name in ("fp16", "bf16"):
        precision = load_precision(name)
        state = load_optimizer("adam").moments * precision.moment
        assert precision.parameter + precision.gradient + precision.master + state == 16


@pytest.mark.parametrize(("name", "moments"), [("sgd", 0), ("momentum", 1), ("adam", 2), ("adamw", 2)])
def test_moments_of_optimizers(name, moments):
    assert load_optimizer(name).moments == moments


def test_single_precision_is_its_own_master():
    assert load_precision("fp32").master == 0


@pytest.mark.parametrize("table", [OPTIMIZERS, PRECISIONS])
def test_entries_are_filed_under_their_names(table):
    assert all(name == entry.name for name, entry in table.items())


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown precision 'bf61'; did you mean bf16"):
        load_precision("bf61")
    with pytest.raises(UnknownNameError, match="unknown optimizer 'adamm'; did you mean adam"):
        load_optimizer("adamm")
