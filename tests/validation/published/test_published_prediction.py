"""From published rows to predictions: machines, stacks, candidates and what makes a row a fitted one."""

from dataclasses import replace

import pytest

from hardware.profiles import device_names, link_names, load_device, load_node, node_names
from simdl.software.reader import load_stack, stack_names
from simdl.step.strategy import Recompute
from validation.judging.device_names import DeviceRule
from validation.judging.rules import load_rules
from validation.published import prediction
from validation.published.prediction import first_that_fits, predict_rows, row_setup
from validation.published.rows.cluster import domain_size, resized_node, row_cluster
from validation.published.rows.machines import Machine
from validation.published.rows.stack import choose_stack, stack_rules
from validation.published.tables import load_published

ROWS = load_published().rows


def row(file, number):
    return next(row for row in ROWS if row.file == file and row.number == number)


def changed(original, **cells):
    return replace(original, cells={**original.cells, **cells})


def test_tables_name_registered_devices_machines_and_stacks():
    for file in ("published/rows/devices.toml", "kernels/devices.toml"):
        for rule in load_rules(file, DeviceRule):
            assert not rule.device or load_device(rule.device)
    machines = load_rules("published/rows/machines.toml", Machine)
    assert {machine.node for machine in machines} <= set(node_names())
    assert {machine.link for machine in machines if machine.link} <= set(link_names())
    assert {machine.board for machine in machines if machine.board} <= set(device_names())
    assert {rule.stack for rule in stack_rules()} <= set(stack_names())


@pytest.mark.parametrize(
    ("devices", "full", "size"), [(4, 8, 4), (8, 8, 8), (64, 8, 8), (256, 72, 64), (144, 72, 72), (12, 8, 6)]
)
def test_a_run_uses_equal_parts_of_its_nodes(devices, full, size):
    assert domain_size(devices, full) == size


def test_a_part_of_a_node_keeps_its_links_and_a_share_of_its_ports():
    node = load_node("dgx-a100")
    half = resized_node(node, 4)
    assert (half.devices, half.levels[0].link, half.levels[0].ports) == (
        4,
        node.levels[0].link,
        node.levels[0].ports,
    )
    assert half.levels[1].ports == node.levels[1].ports / 2
    assert resized_node(load_node("p3dn"), 4).levels[1].ports == 1


def test_equal_machines_share_one_cluster():
    first, second = row("vtrain-a100.csv", 1), row("vtrain-a100.csv", 2)
    same = changed(second, n_devices=first["n_devices"])
    assert row_cluster(first) is row_cluster(same)


def test_printed_ports_replace_registered_ones():
    printed = next(r for r in ROWS if r.kind == "cnn" and r["inter_node"].startswith("1x 100"))
    assert row_cluster(printed).levels[1].ports == 1


def test_racks_ignore_the_devices_of_a_tray():
    printed = next(r for r in ROWS if r["device"] == "GB200" and r["n_devices"] == "64")
    assert row_cluster(changed(printed, devices_per_node="4")).node.devices == 64


def test_known_sources_take_their_stack_without_warning():
    for file, stack in [("vtrain-a100.csv", "megatron-deepspeed"), ("megatron-lm.csv", "megatron-2021")]:
        setup = row_setup(row(file, 1))
        assert (setup.stack, setup.warnings) == (stack, ())


def test_unknown_sources_take_the_default_of_the_generation_and_warn():
    setup = row_setup(changed(row("megatron-lm.csv", 1), source="a blog", source_item="a table"))
    assert setup.stack == "pytorch-fsdp"
    assert any("default of ampere devices" in warning for warning in setup.warnings)


@pytest.mark.parametrize(
    ("file", "number"),
    [
        ("vtrain-a100.csv", 1),
        ("mosaic-llm-foundry.csv", 1),
        ("nvidia-megatron-bridge.csv", 1),
        ("torchtitan.csv", 2),
        ("mlperf-training.csv", 9),
        ("mlperf-llm.csv", 1),
        ("lambda-deeplearning-benchmark.csv", 2),
        ("torchvision-train-steps.csv", 1),
        ("timm-train.csv", 1),
        ("training.csv", 1),
    ],
)
def test_rows_that_say_what_ran_are_read_without_their_source(file, number):
    printed = row(file, number)
    known, unknown = row_setup(printed), row_setup(changed(printed, source="unknown"))
    assert unknown.stack == known.stack
    assert unknown.workload.precision == known.workload.precision
    assert unknown.strategies == known.strategies


def test_mlperfs_bert_counts_sequences_of_which_two_make_a_pack():
    found = next(r for r in ROWS if r.file == "mlperf-training.csv" and "packed sequences" in r["model"])
    setup = row_setup(found)
    assert setup.workload.network.tokens == 256
    assert "256 tokens of a sequence in a pack of two" in setup.assumptions


def test_internevo_is_read_as_itself():
    rows = (r for r in ROWS if r.file == "llm-tables.csv" and r["model"] == "InternLM-7B" and r["n_layers"])
    found = [row_setup(r).stack for r in rows if r["data_sharding"]]
    assert set(found) == {"internevo"}


def test_a_program_in_pytorch_that_nothing_says_to_be_nvidias_is_eager():
    printed = row("torchvision-train-steps.csv", 1)
    found = row_setup(changed(printed, source="a blog", source_item="a table", framework="PyTorch 1.4"))
    assert found.stack == "pytorch-eager-2020"


def test_compiled_runs_have_their_own_stack():
    compiled = row("torchtitan.csv", 2)
    assert "torch.compile" in compiled["source_item"]
    setup = row_setup(compiled)
    assert choose_stack(compiled, setup.cluster.device, setup.workload.network).stack == "torchtitan-compile"
    assert "asyncTP=False" in compiled["notes"]
    for cells in ({"source_item": "2D + torch.compile + AsyncTP"}, {"notes": "asyncTP=True"}):
        found = choose_stack(changed(compiled, **cells), setup.cluster.device, setup.workload.network)
        assert found.stack == "torchtitan-async-tp"


def test_least_recomputation_that_fits_is_the_prediction():
    setup = row_setup(row("nvidia-dgxc.csv", 1))
    stack = load_stack(setup.stack)
    assert len(setup.strategies) == 3
    found = first_that_fits(setup.workload, setup.cluster, setup.strategies, stack)
    assert found.feasible
    short = replace(stack, memory_reserve=0.999)
    last = first_that_fits(setup.workload, setup.cluster, setup.strategies, short)
    assert not last.feasible
    assert last.strategy.recompute is Recompute.FULL


def test_equal_questions_are_simulated_once(monkeypatch):
    calls = []

    def counted(*question):
        calls.append(question)
        return first_that_fits(*question)

    monkeypatch.setattr(prediction, "first_that_fits", counted)
    printed = row("vtrain-a100.csv", 1)
    first, second = predict_rows([printed, replace(printed, number=2)])
    assert len(calls) == 1
    assert first.predicted == second.predicted


def test_another_stack_loader_changes_the_prediction():
    printed = row("vtrain-a100.csv", 1)
    (usual,) = predict_rows([printed])
    (slow,) = predict_rows([printed], stack_loader=lambda name: replace(load_stack(name), step_overhead=1.0))
    assert slow.predicted > usual.predicted + 0.9


@pytest.mark.published
def test_throughput_rows_ask_for_their_network_batch_and_optimizer():
    """Rows of validation/published/cnn/training.csv, each with its source column."""
    resnet = next(r for r in ROWS if r.kind == "cnn" and r["model"] == "resnet50" and r["n_devices"] == "8")
    setup = row_setup(resnet)
    assert setup.workload.network.name.startswith("resnet50")
    assert setup.workload.optimizer.name == "momentum"
    assert setup.unit == "samples/s"
    assert setup.strategies[0].dp == 8
    gpt = next(r for r in ROWS if r.kind == "cnn" and "model-parallel size 4" in r["notes"])
    setup = row_setup(gpt)
    assert (setup.strategies[0].tp, setup.strategies[0].recompute) == (4, Recompute.FULL)
    assert (setup.unit, setup.workload.network.tokens) == ("s", 2048)
