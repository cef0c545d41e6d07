"""Text columns of published rows: precision, recomputation, sharding, devices, corrections of notes."""

import pytest

from hardware.profiles import load_device, load_node
from simdl.step.strategy import Recompute
from validation.errors import RowSkippedError
from validation.judging.device_names import DeviceRule
from validation.judging.rules import load_rules
from validation.published.rows.cells import corrections, optional_count, optional_measurement
from validation.published.rows.cluster import printed_network
from validation.published.rows.machines import device_name, machine_of
from validation.published.rows.measurement import check_trusted, out_of_memory
from validation.published.rows.network import decoder_network, decoder_shape
from validation.published.rows.precision import row_precision
from validation.published.rows.sources import source_defaults
from validation.published.rows.strategy import LEAST_FIRST, row_degrees, row_recompute, row_strategies
from validation.published.tables import CNN_COLUMNS, LLM_COLUMNS, PublishedRow, load_published


def row(kind="llm", **cells):
    columns = LLM_COLUMNS if kind == "llm" else CNN_COLUMNS
    return PublishedRow(file="t.csv", number=1, kind=kind, cells={c: cells.get(c, "") for c in columns})


GPT = {
    "source": "NVIDIA/Megatron-LM",
    "model": "GPT 1.7B",
    "n_layers": "24",
    "hidden": "2304",
    "n_heads": "24",
    "seq_len": "2048",
    "device": "A100-80GB",
    "n_devices": "32",
    "tp": "1",
    "pp": "1",
    "micro_batch": "16",
    "global_batch": "512",
}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("amp_bf16", "bf16"),
        ("bf16", "bf16"),
        ("fp16/bf16 mixed", "bf16"),
        ("fp16-mixed", "fp16"),
        ("float8 (dynamic tensorwise, linear layers) + bf16", "fp8-tensorwise"),
        ("MXFP8", "mxfp8"),
        ("FP8-MX", "mxfp8"),
        ("FP8-CS", "fp8"),
        ("FP8 (alt granularity, paren)", "mxfp8"),
        ("NVFP4", "nvfp4"),
        ("tf32", "tf32"),
        ("fp32", "fp32"),
        ("", "bf16"),
    ],
)
def test_precision_texts(text, name):
    assert row_precision(text, "bf16").name == name


@pytest.mark.parametrize("text", ["MXFP4", "posit16"])
def test_precisions_that_are_not_modelled_skip(text):
    with pytest.raises(RowSkippedError, match=text):
        row_precision(text, "bf16")


@pytest.mark.parametrize(
    ("text", "modes"),
    [
        ("full (--checkpoint-activations)", (Recompute.FULL,)),
        ("remat_policy=full", (Recompute.FULL,)),
        ("remat_policy=qkv_proj_offloaded", (Recompute.FULL,)),
        ("selective (per-op default)", (Recompute.SELECTIVE,)),
        ("selective layer", (Recompute.SELECTIVE,)),
        ("selective (attention core)", (Recompute.SELECTIVE,)),
        ("none", (Recompute.NONE,)),
        ("no", (Recompute.NONE,)),
        ("", LEAST_FIRST),
    ],
)
def test_recompute_texts(text, modes):
    assert row_recompute(row(recompute=text), []) == modes


def test_unknown_recompute_text_skips():
    with pytest.raises(RowSkippedError, match="sometimes"):
        row_recompute(row(recompute="sometimes"), [])


@pytest.mark.parametrize(
    ("text", "zero"),
    [
        ("DeepSpeed ZeRO-1", 1),
        ("DeepSpeed ZeRO-0", 0),
        ("ZeRO-3", 3),
        ("FSDP FULL_SHARD mp_mode=PURE", 3),
        ("FSDP2 8", 3),
        ("FSDP group 64", 3),
        ("FSDP 256 inside slice, DP 2 across slices (DCN)", 3),
        ("FSDP SHARD_GRAD_OP", 2),
        ("DDP/distributed-optimizer", 1),
        ("FSDP=0", 1),
        ("", 0),
    ],
)
def test_sharding_texts(text, zero):
    printed = row(**GPT, data_sharding=text)
    (strategy,), _ = strategies(printed, recompute="full")
    assert strategy.zero == zero


def strategies(printed, **cells):
    printed = PublishedRow(file="t.csv", number=1, kind="llm", cells={**printed.cells, **cells})
    degrees = row_degrees(printed)
    network = decoder_network(printed, decoder_shape(printed, tp=degrees.tp))
    return row_strategies(printed, degrees, network, source_defaults(printed["source"]))


@pytest.mark.parametrize(
    ("cells", "layers"),
    [
        ({"recompute": "selective layer"}, 12),  # torchtitan: every second of 24
        ({"recompute": "selective (some blocks)", "mfu_pct": "60", "hfu_pct": "65"}, 6),  # 3 x 5 / 60 of them
        ({"recompute": "selective (some blocks)", "mfu_pct": "60", "hfu_pct": "60"}, 0),
        ({"recompute": "selective"}, 0),
    ],
)
def test_blocks_that_are_recomputed_in_full_are_counted_where_a_row_says_so(cells, layers):
    found, _ = strategies(row(**{**GPT, **cells}))
    expected = Recompute.FULL if layers else Recompute.SELECTIVE
    assert [(each.recompute, each.recompute_layers) for each in found] == [(expected, layers)]


def test_blank_recompute_asks_for_every_mode_least_first():
    found, assumed = strategies(row(**GPT))
    assert tuple(strategy.recompute for strategy in found) == LEAST_FIRST
    assert any("least that fits" in text for text in assumed)


def test_blank_dp_is_the_rest_of_the_devices():
    assert row_degrees(row(**{**GPT, "tp": "4", "pp": "2"})).dp == 4


def test_degrees_that_are_not_the_devices_skip():
    with pytest.raises(RowSkippedError, match="is not the 32 devices"):
        row_degrees(row(**GPT, dp="7"))


def test_blank_degrees_skip():
    with pytest.raises(RowSkippedError, match="tp and pp"):
        row_degrees(row(**{**GPT, "tp": "", "pp": ""}))


@pytest.mark.parametrize(
    ("text", "degree"),
    [
        ("FSDP 16 inside slice, DP 2 across slices (DCN)", 16),
        ("FSDP group 8", 8),
        ("FSDP2 32", 0),
        ("FSDP FULL_SHARD mp_mode=PURE", 0),
        ("DDP/distributed-optimizer", 0),
    ],
)
def test_sharding_group_is_a_part_of_the_replicas_or_all(text, degree):
    (strategy,), _ = strategies(row(**GPT, data_sharding=text), recompute="full")
    assert strategy.shard_degree == degree


def test_virtual_stages_interleave():
    found, _ = strategies(row(**{**GPT, "pp": "2", "vp": "3"}), recompute="full")
    assert (found[0].schedule, found[0].virtual_stages) == ("interleaved-1f1b", 3)


def test_embedding_and_head_count_as_layers_where_only_that_divides():
    found, _ = strategies(row(**{**GPT, "pp": "4", "vp": "8", "n_layers": "30"}), recompute="full")
    assert found[0].stages == (1,) * 32


@pytest.mark.parametrize(
    ("text", "machine", "device", "node"),
    [
        ("A100-80GB", "", "a100-sxm-80gb", "dgx-a100"),
        ("a100_40gb", "", "a100-sxm-40gb", "dgx-a100-40gb"),
        ("A100-SXM4-40GB", "", "a100-sxm-40gb", "dgx-a100-40gb"),
        ("V100-SXM3-32GB", "nvswitch (dgx-2)", "v100-sxm3-32gb", "dgx-2"),
        ("V100-SXM2-16GB", "", "v100-sxm2-16gb", "dgx-1-v100"),
        ("V100-SXM2-16GB", "aws-samples", "v100-sxm2-16gb", "dgx-1-v100"),
        ("H100-96GB HBM2e (500 W cap)", "", "h100-sxm-96gb-hbm2e-500w", "h100-96gb-roce"),
        ("a100_80gb", "mosaicml", "a100-sxm-80gb", "a100-80gb-roce"),
        ("GB200", "", "gb200", "gb200-nvl72"),
        ("TPU v5e", "", "tpu-v5e", "tpu-v5e-slice"),
        ("P100-SXM2-16GB", "", "p100-sxm", "dgx-1-p100"),
    ],
)
def test_device_texts(text, machine, device, node):
    assert device_name(text) == device
    assert machine_of(device, machine).node == node


@pytest.mark.parametrize("text", ["Z80", "Gaudi", "GeForce RTX 3080 Laptop", "RTX 2070 Super", "IPU-POD16"])
def test_unknown_device_skips(text):
    with pytest.raises(RowSkippedError, match=text):
        device_name(text)


@pytest.mark.property
@pytest.mark.parametrize("rule", load_rules("published/rows/devices.toml", DeviceRule))
def test_every_device_that_a_text_may_name_stands_in_a_node(rule):
    if rule.device:
        load_device(rule.device)
        load_node(machine_of(rule.device, "").node)


def test_notes_correct_cells():
    note = "printed GBS 1204 looks like a typo for 1024 (tokens/s and GA agree with 1024)"
    assert optional_count(row(global_batch="1204", notes=note), "global_batch") == 1024
    note = (
        "heading says GBS=512 but column says 2048; TFLOPs agree only with GBS=512 (the heading), so use 512"
    )
    assert corrections(row(notes=note)) == {"global_batch": "512"}


def test_cells_that_are_no_measurement_skip():
    with pytest.raises(RowSkippedError, match="above 0"):
        optional_measurement(row(tokens_per_s="-2048"), "tokens_per_s")
    with pytest.raises(RowSkippedError, match="not a number"):
        optional_measurement(row(tokens_per_s="fast"), "tokens_per_s")
    assert optional_measurement(row(tokens_per_s="OOM"), "tokens_per_s") is None


def test_out_of_memory_in_any_measured_cell():
    assert out_of_memory(row(mfu_pct="OOM"))
    assert not out_of_memory(row(mfu_pct="41"))


@pytest.mark.parametrize("marker", ["FLAG superlinear", "INCONSISTENT: batch"])
def test_marked_rows_skip(marker):
    with pytest.raises(RowSkippedError, match=marker.split()[0].rstrip(":")):
        check_trusted(row("cnn", value="1", notes=f"x; {marker}"))


def test_mixture_of_experts_and_adapters_skip():
    with pytest.raises(RowSkippedError, match="mixture of experts"):
        decoder_shape(row(**GPT, moe_experts="128"), tp=1)
    with pytest.raises(RowSkippedError, match="adapters"):
        decoder_shape(row(**{**GPT, "model": "Llama3 70B (LoRA)"}), tp=1)


@pytest.mark.parametrize("column", ["n_layers", "hidden", "seq_len"])
def test_blanks_that_change_the_work_skip(column):
    with pytest.raises(RowSkippedError, match=f"{column} is not published"):
        decoder_shape(row(**{**GPT, column: ""}), tp=1)


def test_vocabulary_is_padded_to_128_per_tensor_rank():
    vtrain = {**GPT, "source": "VIA-Research/vTrain", "model": "GPT"}
    assert decoder_shape(row(**vtrain), tp=1).vocab == 50304
    assert decoder_shape(row(**vtrain), tp=8).vocab == 51200
    bloom = {**GPT, "source": "bigscience", "vocab": "250k (slurm: pad to 250880)"}
    assert decoder_shape(row(**bloom), tp=8).vocab == 250880
    assert decoder_shape(row(**{**bloom, "vocab": "250k"}), tp=8).vocab == 250880


@pytest.mark.published
def test_networks_have_the_parameters_that_mosaic_prints():
    """mosaicml/llm-foundry, scripts/train/benchmarking/README.md, as the rows' source column says."""
    rows = [r for r in load_published().rows if r.file.startswith("mosaic") and float(r["n_params_b"]) > 0]
    assert len(rows) == 262
    for printed in rows:
        network = decoder_network(printed, decoder_shape(printed, tp=1))
        assert network.parameters == pytest.approx(float(printed["n_params_b"]) * 1e9, rel=1e-8)


@pytest.mark.published
def test_bert_of_a_language_model_table_is_an_encoder():
    """Megatron's BERT of arXiv:1909.08053, table 4: 336 million, two dense layers of its heads among them."""
    large = row(**{**GPT, "model": "BERT", "hidden": "1024", "n_heads": "16", "seq_len": "512"})
    encoder = decoder_network(large, decoder_shape(large, tp=1))
    assert encoder.parameters == pytest.approx(336e6 - 2 * 1024**2, rel=2e-3)
    operators = [each.name for block in encoder.blocks for layer in block.layers for each in layer.forward]
    assert "scores" in operators
    assert "mask" not in operators


@pytest.mark.published
def test_networks_have_the_parameters_that_megatron_prints():
    for printed in load_published().rows:
        if printed.file == "megatron-lm.csv":
            network = decoder_network(printed, decoder_shape(printed, tp=1))
            assert network.parameters == pytest.approx(float(printed["n_params_b"]) * 1e9, rel=0.03)


@pytest.mark.parametrize(
    ("text", "ports", "link", "bandwidth"),
    [
        ("4x 100 Gb/s RoCE per node", 4, "roce-100g", 0),
        ("1x 100 Gb/s InfiniBand per node", 1, "infiniband-edr", 0),
        ("4x Omni-Path links per node", 4, "", 0),
        ('400 Gb/s per node (printed "with 400Gbps")', 0, "", 50e9),
        ("10GbE", 1, "ethernet-10g", 0),
        ("100GbE InfiniBand", 0, "", 0),
        ("25 Gbps Ethernet", 1, "ethernet-25g", 0),
        ("NVLink", 0, "", 0),
        ("", 0, "", 0),
    ],
)
def test_the_network_that_a_row_prints(text, ports, link, bandwidth):
    found = printed_network(text)
    assert (found.ports, found.link, found.bandwidth) == (ports, link, bandwidth)


def test_a_port_of_no_registered_link_skips_the_row():
    with pytest.raises(RowSkippedError, match="names no link that is registered"):
        printed_network("2x 300 Gb/s RoCE per node")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NV_T4", "t4"),
        ("TITAN RTX", "titan-rtx"),
        ("Titan X", "titan-x-maxwell"),
        ("GeForce RTX 2080 Ti", "rtx-2080-ti"),
        ("NVIDIA H200-NVL-141GB", "h200-nvl"),
        ("NVIDIA A10", "a10"),
        ("NVIDIA A100", "a100-sxm-80gb"),
        ("A800-80GB", "a100-sxm-80gb"),
        ("Trainium1 NeuronCore-v2", "trainium1-core"),
        ("NVIDIA RTX Pro 6000 SE PCIe 96GB", "rtx-pro-6000-blackwell"),
        ("TPU v3-256", "tpu-v3"),
        ("TPU v4-64", "tpu-v4"),
        ("TPU v2-32", "tpu-v2"),
        ("TPU v5p-128", "tpu-v5p"),
        ("Cloud TPU v5 lite", "tpu-v5e"),
        ("Intel Gaudi 3", "gaudi3"),
        ("GH200 480GB", "gh200-96gb"),
        ("NVIDIA H100 NVL", "h100-nvl"),
        ("NVIDIA A10G", "a10g"),
        ("TITAN Xp", "titan-xp"),
        ("TITAN X (Pascal)", "titan-x-pascal"),
        ("Tesla V100S-PCIE-32GB", "v100s-pcie-32gb"),
        ("8 V100s", "v100-sxm2-16gb"),
        ("GeForce RTX 3080", "rtx-3080"),
        ("MI300A", "mi300a"),
        ("trn2.48xlarge", "trainium2-core"),
    ],
)
def test_newer_and_consumer_cards_are_told_apart(text, name):
    assert device_name(text) == name
