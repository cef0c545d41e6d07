"""Recomputation and offloading that a row does not print: its program's recipe, else the least that fits."""

from dataclasses import replace

import pytest

from simdl.software.reader import load_stack
from simdl.step.strategy import Recompute, Strategy
from validation.published.prediction import fewest_blocks, first_that_fits, fits, row_setup
from validation.published.rows.recipes import Saving, recipe_saving
from validation.published.tables import load_table, published_folder

NAME = "nvidia-megatron-bridge.csv"
BRIDGE = "NVIDIA-NeMo/Megatron-Bridge"


@pytest.fixture(scope="module")
def rows():
    return {row.number: row for row in load_table(published_folder() / "llm" / NAME, name=NAME)}


def changed(row, **cells):
    return replace(row, cells={**row.cells, **cells})


def layout(**degrees):
    return {"tp": 1, "pp": 1, "cp": 1, "ep": 1, "vp": 1, "micro_batch": 1, "fsdp": 0} | degrees


@pytest.mark.published
def test_activations_of_the_first_40_layers_go_to_the_host(rows):
    """Megatron-Bridge, llama3_llm_pretrain.py, Llama 3 70B on GB200 in FP8: cpu_offloading_num_layers 40.

    The line is one of the rows of validation/published/rows/recipes.csv."""
    setup = row_setup(rows[12])
    (strategy,) = setup.strategies
    assert (strategy.savers, strategy.recompute) == ("keep, 40x offload, *x keep", Recompute.NONE)
    assert "recompute: none, 40 layers on the host (recipe)" in setup.assumptions


@pytest.mark.published
def test_llama_8b_on_h100_recomputes_five_layers(rows):
    """Megatron-Bridge, llama3_llm_pretrain.py, Llama 3 8B on H100 in FP8: full, block, 5.

    The line is one of the rows of validation/published/rows/recipes.csv."""
    printed = changed(rows[76], data_sharding="DDP/distributed-optimizer")
    (strategy,) = row_setup(printed).strategies
    assert (strategy.recompute, strategy.recompute_layers, strategy.savers) == (Recompute.FULL, 5, "")


def test_what_a_row_prints_goes_before_its_recipe(rows):
    (strategy,) = row_setup(changed(rows[12], recompute="full")).strategies
    assert (strategy.recompute, strategy.savers) == (Recompute.FULL, "")


def test_a_layout_without_a_recipe_takes_the_least_that_fits(rows):
    assert len(row_setup(rows[84]).strategies) == 3  # micro-batch 2, which no release has
    assert recipe_saving(rows[84], layout(tp=2, pp=4, vp=5, micro_batch=2), BRIDGE) is None


@pytest.mark.parametrize(("devices", "saving"), [("64", None), ("256", Saving(recompute=Recompute.NONE))])
def test_recipes_that_disagree_say_nothing_unless_one_is_of_as_many_devices(rows, devices, saving):
    """Llama 3.1 405B in NVFP4 recomputes a layer of each stage on 128 devices and none on 256."""
    printed = changed(rows[7], n_devices=devices)
    assert recipe_saving(printed, layout(tp=4, pp=16, vp=8), BRIDGE) == saving


def test_rows_of_other_programs_have_no_recipes(rows):
    assert recipe_saving(rows[12], layout(micro_batch=2, fsdp=1), "") is None
    other = changed(rows[12], source="a blog", source_item="a table", notes="")
    assert len(row_setup(other).strategies) == 3


@pytest.mark.theory
@pytest.mark.parametrize("reserve", [0.3, 0.5, 0.6])
def test_no_fewer_blocks_than_chosen_would_fit(rows, reserve):
    setup = row_setup(rows[84])
    stack = replace(load_stack(setup.stack), memory_reserve=reserve)
    full = setup.strategies[-1]
    found = fewest_blocks(setup.workload, setup.cluster, full, stack)
    layers = found.recompute_layers
    assert found == replace(full, recompute_layers=layers)
    if layers:
        assert fits(setup.workload, setup.cluster, found, stack)
    less = (
        replace(full, recompute_layers=layers - 1) if layers > 1 else replace(full, recompute=Recompute.NONE)
    )
    if layers:
        assert not fits(setup.workload, setup.cluster, less, stack)
    chosen = first_that_fits(setup.workload, setup.cluster, setup.strategies, stack)
    assert chosen.strategy == found


def test_a_strategy_that_recomputes_nothing_stays_as_it_is(rows):
    setup = row_setup(rows[5])
    kept = Strategy(tp=4, pp=16, dp=4)
    assert fewest_blocks(setup.workload, setup.cluster, kept, load_stack(setup.stack)) is kept
