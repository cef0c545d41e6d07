"""Rows are told by what was run and measured, not by the file or the source that prints them."""

from dataclasses import replace

import pytest

from hardware.profiles import load_device
from simdl.software.reader import load_stack
from validation.published.fits import fits_behind, fitted_on
from validation.published.identity import distinct_runs, row_identity, table_identities
from validation.published.tables import load_table, published_folder

ROWS = load_table(published_folder() / "llm" / "mosaic-llm-foundry.csv", name="mosaic-llm-foundry.csv")
ROW = ROWS[0]


def changed(row, **cells):
    return replace(row, cells={**row.cells, **cells})


def test_the_name_of_the_table_and_of_the_source_do_not_count():
    elsewhere = changed(ROW, source="elsewhere", notes="copied", source_item="7")
    copy = replace(elsewhere, file="mine.csv", number=99)
    assert row_identity(copy) == row_identity(ROW)
    assert row_identity(copy) in table_identities("mosaic-llm-foundry.csv")


def test_another_batch_or_another_measurement_is_another_run():
    assert row_identity(changed(ROW, global_batch="1")) != row_identity(ROW)
    assert row_identity(changed(ROW, tokens_per_s="1")) != row_identity(ROW)


def test_a_run_that_is_printed_twice_counts_once_where_it_was_printed_first():
    again = replace(changed(ROW, source_item="elsewhere"), number=999)
    assert list(distinct_runs([ROW, again, ROWS[1]])) == [ROW, ROWS[1]]
    twice = [
        row
        for row in load_table(published_folder() / "cnn" / "torchvision-train-steps.csv", name="steps")
        if "2080 Ti" in row["device"]
    ]
    assert len(twice) == 2 * len(list(distinct_runs(twice)))


@pytest.mark.parametrize("stack", ["mosaic-fsdp", "mosaic-fsdp-fp32-reduce", "torchtitan"])
def test_a_stack_that_inherits_a_number_was_fitted_on_its_rows(stack):
    renamed = replace(ROW, file="renamed.csv")
    assert fitted_on(renamed, load_stack(stack), load_device("a100-pcie-40gb"))


def test_a_new_row_in_a_file_of_the_same_name_was_not_fitted_on():
    new = changed(ROW, global_batch="12345")
    assert not fitted_on(new, load_stack("mosaic-fsdp"), load_device("a100-sxm-80gb"))


def test_a_boards_clock_counts_too_and_what_is_derived_from_it():
    assert fitted_on(ROW, load_stack("megatron-2022"), load_device("a100-sxm-80gb"))
    assert fitted_on(ROW, load_stack("megatron-2022"), load_device("a100-pcie-40gb"))
    assert not fitted_on(ROW, load_stack("megatron-2022"), load_device("t4"))


def test_numbers_that_a_stack_sets_again_are_its_own():
    assert {fit.stack for fit in fits_behind("torchtitan", "t4")} == {"torchtitan"}
    assert {fit.stack for fit in fits_behind("tensorflow-mirrored-bert-xla", "t4")} == {
        "tensorflow-mirrored-bert",
        "tensorflow-mirrored",
    }
    assert {fit.stack for fit in fits_behind("megatron-2021", "t4")} == set()
