"""What reading a throughput row adds to its cells: boards, stacks of one framework, binned sequences."""

from dataclasses import replace

import pytest

from hardware.profiles import load_device
from simdl.software.reader import load_stack
from validation.published.prediction import asked_stack, row_setup
from validation.published.tables import load_published

ROWS = [row for row in load_published().rows if row.file == "training.csv"]


def first(**cells):
    return next(row for row in ROWS if all(part in row[column] for column, part in cells.items()))


def changed(row, **cells):
    return replace(row, cells={**row.cells, **cells})


def tokens(setup):
    return setup.workload.network.tokens


NVIDIA_BERT = {"source": "DeepLearningExamples", "model": "bert-large"}


def test_nvidias_pytorch_reads_long_sequences_in_bins():
    setup = row_setup(first(**NVIDIA_BERT, framework="PyTorch", image_size_or_seq_len="512"))
    assert tokens(setup) == 512 // 2 + 64 // 2
    assert any("binning" in assumption for assumption in setup.assumptions)


@pytest.mark.parametrize(
    ("framework", "length"), [("PyTorch", "128"), ("TensorFlow 2", "512"), ("TensorFlow 2", "128")]
)
def test_other_sequences_run_at_their_printed_length(framework, length):
    setup = row_setup(first(**NVIDIA_BERT, framework=framework, image_size_or_seq_len=length))
    assert tokens(setup) == int(length)
    assert not any("binning" in assumption for assumption in setup.assumptions)


def test_a_dgx_2h_carries_faster_boards_than_a_dgx_2():
    fast = row_setup(first(**NVIDIA_BERT, device="V100-SXM3", notes="DGX-2H")).cluster.device
    row = next(row for row in ROWS if "V100-SXM3" in row["device"] and "DGX-2H" not in row["notes"])
    slow = row_setup(changed(row, model="bert-large")).cluster.device
    assert (fast.power, slow.power) == (450, 350)
    assert fast.flop_rate("fp16") * fast.sustained > slow.flop_rate("fp16") * slow.sustained


def test_boards_with_more_power_sustain_more():
    boards = [load_device(f"v100-{name}") for name in ("sxm2-16gb", "sxm3-32gb", "sxm3-32gb-450w")]
    assert [board.power for board in boards] == sorted(board.power for board in boards)
    assert [board.sustained for board in boards] == sorted(board.sustained for board in boards)


@pytest.mark.parametrize(
    ("framework", "model", "notes", "stack"),
    [
        ("OneFlow v0.2", "bert-base", "gradient clip", "oneflow-bert-clip"),
        ("OneFlow v0.2", "bert-base", "no gradient clip", "oneflow-bert"),
        ("OneFlow v0.2", "resnet50", "", "oneflow"),
        ("TensorFlow 2", "bert-base", "XLA", "tensorflow-mirrored-bert-xla"),
        ("TensorFlow 2", "bert-base", "", "tensorflow-mirrored-bert"),
        ("TensorFlow 2", "resnet50", "", "tensorflow-mirrored"),
        ("TensorFlow 1", "resnet50", "", "tensorflow-ngc"),
        ("MXNet", "resnet50", "", "mxnet-ngc"),
        ("TensorFlow 1", "bert-base", "", "tensorflow-ngc-bert"),
    ],
)
def test_stacks_of_one_framework_differ_by_network_and_notes(framework, model, notes, stack):
    row = changed(first(source="DLPerf", model="resnet50"), framework=framework, model=model, notes=notes)
    assert row_setup(changed(row, image_size_or_seq_len="" if model == "resnet50" else "128")).stack == stack


@pytest.mark.parametrize(("devices", "passages"), [("1", 1), ("3", 5)])
def test_a_batch_on_the_host_is_copied_in_the_step_and_on_to_every_other_replica(devices, passages):
    steps = (row for row in load_published().rows if row.file == "torchvision-train-steps.csv")
    row = next(
        r for r in steps if r["n_devices"] == devices and "fp16" in r["precision"] and r["model"] == "vgg16"
    )
    setup = row_setup(row)
    assert setup.copied == passages * 12 * 3 * 224 * 224 * 2
    stack = load_stack(setup.stack)
    waited = asked_stack(setup, stack).step_overhead - stack.step_overhead
    assert waited == pytest.approx(setup.copied / 5.5e9)
