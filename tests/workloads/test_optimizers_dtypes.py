"""Optimizers and precisions by name, and the bytes they stand for."""

from dataclasses import fields
from typing import get_type_hints

import pytest

from workloads.datasets import DATASETS
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


@pytest.mark.parametrize("table", [OPTIMIZERS, PRECISIONS, DATASETS])
def test_entries_of_tables_have_their_names_sources_and_kinds(table):
    for name, entry in table.items():
        hints = get_type_hints(type(entry))
        assert name == entry.name
        assert entry.source
        for field in fields(entry):
            value, kind = getattr(entry, field.name), hints[field.name]
            assert type(value) is kind or (kind is float and type(value) is int), (name, field.name)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown precision 'bf61'; did you mean bf16"):
        load_precision("bf61")
    with pytest.raises(UnknownNameError, match="unknown optimizer 'adamm'; did you mean adam"):
        load_optimizer("adamm")
