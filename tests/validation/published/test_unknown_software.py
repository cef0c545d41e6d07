"""Rows of unknown software: vocabulary, stages, stack and conventions from what the row does say."""

from contextlib import suppress
from dataclasses import replace

import pytest

from simdl.software.reader import load_stack
from validation.errors import RowSkippedError
from validation.published.prediction import row_setup
from validation.published.rows.network import decoder_network, decoder_shape
from validation.published.rows.shapes import with_shape
from validation.published.rows.sources import source_defaults
from validation.published.rows.strategy import row_degrees, row_strategies
from validation.published.tables import CNN_COLUMNS, LLM_COLUMNS, PublishedRow, load_published
from workloads.registry import load_network


def row(kind="llm", **cells):
    columns = LLM_COLUMNS if kind == "llm" else CNN_COLUMNS
    return PublishedRow(file="t.csv", number=1, kind=kind, cells={**dict.fromkeys(columns, ""), **cells})


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
LLAMA = GPT | {"source": "someone", "model": "llama-2", "n_layers": "32", "hidden": "4096", "n_heads": "32"}


@pytest.mark.parametrize(
    ("count", "vocab"),
    [("", 32000), ("6.74", 32000), ("7", 32000), ("7.53", 128256), ("8.4", 250880), ("70", 32000)],
)
def test_a_printed_parameter_count_settles_the_vocabulary(count, vocab):
    shape = decoder_shape(row(**LLAMA, ffn="11008", n_params_b=count), tp=1)
    assert shape.vocab == pytest.approx(vocab, rel=0.01)
    assert any(("parameters" in said) == (vocab != 32000) for said in shape.assumptions if "vocab" in said)


@pytest.mark.parametrize(
    ("source", "pp", "batch", "virtual"),
    [
        ("NVIDIA/NeMo", "4", "512", 6),
        ("NVIDIA/NeMo", "1", "512", 1),
        ("NVIDIA/Megatron-LM", "4", "512", 1),
    ],
)
def test_blank_virtual_stages_are_single_layers_where_recipes_interleave_so(source, pp, batch, virtual):
    asked = row(**GPT | {"source": source, "pp": pp, "global_batch": batch, "micro_batch": "1", "tp": "1"})
    degrees = row_degrees(asked)
    network = decoder_network(asked, decoder_shape(asked, tp=1))
    strategies, _ = row_strategies(asked, degrees, network, source_defaults(source))
    assert {strategy.virtual_stages for strategy in strategies} == {virtual}


@pytest.mark.parametrize(
    ("cells", "stack"),
    [
        ({"pp": "2"}, "megatron-2022"),
        ({"tp": "2", "model": "gpt3-175B"}, "megatron-2022"),
        ({"tp": "2", "notes": "FlashAttention"}, "megatron-2023"),
        ({"tp": "2", "model": "Llama 2 7B", "ffn": "11008"}, "megatron-2023"),
        ({"data_sharding": "FSDP", "notes": "compile=True"}, "fms-fsdp-compile"),
        ({"notes": "full_finetune_single_device, compile; chunked CE;"}, "torchtune-chunked"),
        ({"data_sharding": "ZeRO-3"}, "pytorch-fsdp"),
        ({}, "pytorch-fsdp"),
        ({"device": "H100-80GB", "tp": "2"}, "nemo-2024"),
        ({"device": "TPU v5e"}, "maxtext"),
        ({"notes": "Paxml"}, "jax-gpu"),
    ],
)
def test_an_unknown_source_takes_stack_and_conventions_by_its_strategy_with_one_warning(cells, stack):
    setup = row_setup(row(**GPT | {"source": "someone", "step_time_s": "1", "global_batch": "512"} | cells))
    assert setup.stack == stack
    assert len(setup.warnings) == 1


def test_an_unknown_source_takes_zero_and_microbatch_from_the_stack():
    cells = GPT | {"source": "x", "micro_batch": "", "tp": "2", "device": "H100", "step_time_s": "1"}
    (strategy, *_) = row_setup(row(**cells)).strategies
    assert (strategy.zero, strategy.micro_batch, strategy.sequence_parallel) == (1, 1, True)


ENCODER = {
    "source": "someone",
    "model": "bert-large",
    "image_size_or_seq_len": "128",
    "device": "V100-SXM2-32GB",
    "n_devices": "1",
    "batch_per_device": "64",
    "metric": "sequences_per_s",
    "value": "100",
}


@pytest.mark.parametrize(
    ("cells", "stack"),
    [
        ({"framework": "MindSpore"}, "encoder-prior"),
        ({"framework": ""}, "encoder-prior"),
        ({"framework": "TensorFlow 2"}, "encoder-prior-tensorflow"),
        ({"framework": "TensorFlow 2", "notes": "XLA"}, "tensorflow-mirrored-bert-xla"),
        ({"framework": "TensorFlow 2", "notes": "NVIDIA container"}, "tensorflow-ngc-bert"),
        ({"framework": "NGC PyTorch"}, "pytorch-ngc-bert"),
        (
            {"framework": "NGC PyTorch", "model": "bert-large (SQuAD)", "precision": "fp32"},
            "pytorch-ngc-bert-adam",
        ),
        (
            {"framework": "NGC PyTorch", "model": "bert-large (SQuAD)", "precision": "fp16"},
            "pytorch-ngc-bert",
        ),
        ({"framework": "PyTorch 1.9"}, "encoder-prior"),
    ],
)
def test_an_encoder_of_an_unknown_framework_is_never_megatrons(cells, stack):
    assert row_setup(row("cnn", **ENCODER | cells)).stack == stack


@pytest.mark.parametrize(
    ("cells", "stack"),
    [
        ({"source": "NeMo 24.05", "device": "H100"}, "nemo-2024"),
        ({"source": "NVIDIA NeMo 25.04", "device": "B200"}, "megatron-bridge-2025"),
        ({"source": "Megatron-LM v0.12", "device": "H100"}, "megatron-2025"),
        ({"source": "EleutherAI/gpt-neox"}, "megatron-deepspeed"),
        ({"source": "DeepSpeed", "data_sharding": "ZeRO-3"}, "deepspeed"),
        ({"source": "LLM Foundry", "data_sharding": "FSDP"}, "mosaic-fsdp"),
        ({"source": "torchtitan", "device": "MI300X", "data_sharding": "FSDP"}, "pytorch-rocm"),
        ({"source": "AMD Primus", "device": "MI355X"}, "megatron-rocm"),
        ({"source": "Primus torchtitan", "device": "MI300X"}, "pytorch-rocm"),
        ({"source": "Megatron-DeepSpeed", "device": "Gaudi 3"}, "gaudi"),
        ({"source": "mistral", "model": "Mistral NeMo 12B", "ffn": "14336", "tp": "2"}, "megatron-2023"),
    ],
)
def test_programs_are_known_as_strangers_write_them_and_elsewhere_than_on_nvidia_by_the_device(cells, stack):
    assert row_setup(row(**GPT | {"step_time_s": "1"} | cells)).stack == stack


@pytest.mark.parametrize(
    ("cells", "stack"),
    [
        ({"framework": "timm"}, "pytorch-eager"),
        ({"framework": "Keras"}, "tensorflow-mirrored"),
        ({"framework": "Gluon CV"}, "mxnet-ngc"),
        ({"framework": "Flax"}, "jax-gpu"),
        ({"framework": "PyTorch", "device": "Gaudi2"}, "gaudi"),
        ({"framework": "PyTorch", "device": "MI250X"}, "pytorch-rocm-ddp"),
        ({"framework": "TensorFlow", "device": "TPU v3-8"}, "maxtext"),
        ({"framework": "Theano"}, "pytorch-ngc"),
        ({"framework": "TensorFlow 1.12", "device": "GTX 1080 Ti"}, "tensorflow-2017"),
    ],
)
def test_frameworks_of_images_are_known_by_their_programs(cells, stack):
    asked = ENCODER | {"model": "resnet50", "image_size_or_seq_len": "224"} | cells
    assert row_setup(row("cnn", **asked)).stack == stack


@pytest.mark.parametrize(
    ("model", "network", "tokens"),
    [
        ("ResNet-50 v1.5", "resnet50-v1.5", 1),
        ("resnet50_v1", "resnet50", 1),
        ("RN50", "resnet50-v1.5", 1),
        ("Inception v3", "inception-v3", 1),
        ("ViT-B/16", "vit-b16", 1),
        ("ConvNeXt-T", "convnext-tiny", 1),
        ("BERT-Large pre-training phase 1", "bert-large", 128),
        ("bert base uncased fine-tuning", "bert-base", 512),
        ("BERT Large (SQuAD)", "bert-large-squad", 384),
        ("GPT-2 medium", "gpt2-medium", 1024),
    ],
)
def test_networks_are_known_as_strangers_write_them(model, network, tokens):
    asked = ENCODER | {"model": model, "image_size_or_seq_len": "", "framework": "PyTorch 2"}
    found = row_setup(row("cnn", **asked)).workload.network
    assert (found.name, found.tokens) == (network, tokens)


@pytest.mark.parametrize("model", ["Theia-9", "DCGAN"])
def test_networks_that_nobody_registered_are_refused_in_words(model):
    with pytest.raises(RowSkippedError, match="is not registered"):
        row_setup(row("cnn", **ENCODER | {"model": model}))


@pytest.mark.parametrize(
    ("device", "memory", "name"),
    [
        ("A100", "40", "a100-sxm-40gb"),
        ("A100", "80.0", "a100-sxm-80gb"),
        ("A100", "", "a100-sxm-80gb"),
        ("V100", "31.7", "v100-sxm2-32gb"),
        ("NVIDIA H100", "93.6", "h100-nvl"),
        ("V100-SXM2-16GB", "32", "v100-sxm2-16gb"),
    ],
)
def test_the_memory_of_its_own_column_tells_boards_apart(device, memory, name):
    cells = {"model": "resnet50", "image_size_or_seq_len": "224", "framework": "PyTorch 2"}
    asked = row("cnn", **ENCODER | cells | {"device": device, "device_memory_gib": memory})
    assert row_setup(asked).cluster.device.name == name


def test_tensor_cores_that_a_row_counts_are_two_a_chip():
    cores = {"model": "resnet50", "image_size_or_seq_len": "", "device": "TPU v3-32", "framework": "JAX"}
    counted = row_setup(row("cnn", **ENCODER | cores | {"n_devices": "32", "batch_per_device": "64"}))
    chips = row_setup(row("cnn", **ENCODER | cores | {"n_devices": "16", "batch_per_device": "128"}))
    assert counted.cluster.devices == chips.cluster.devices == 16
    assert counted.workload.global_batch == chips.workload.global_batch == 2048


def test_mixtures_of_experts_are_known_by_their_names():
    asked = GPT | {"source": "someone", "step_time_s": "1", "n_layers": "48", "n_heads": "32"}
    setup = row_setup(row(**asked | {"model": "Qwen3-30B-A3B", "data_sharding": "FSDP", "n_kv_heads": "4"}))
    assert setup.workload.network.name.startswith("qwen3-30b-a3b")
    with pytest.raises(RowSkippedError, match="is not registered"):
        row_setup(row(**asked | {"model": "Arctic 128x3.7B"}))


def test_a_blank_precision_is_one_that_the_device_has():
    asked = GPT | {"source": "someone", "device": "V100-SXM2-32GB", "step_time_s": "1"}
    assert row_setup(row(**asked)).workload.precision.name == "fp16"


def test_a_pipeline_of_a_source_that_shards_does_not_shard_parameters_unasked():
    asked = GPT | {"source": "torchtitan", "device": "H100", "pp": "2", "step_time_s": "1"}
    assert {each.zero for each in row_setup(row(**asked)).strategies} == {1}


def test_paddle_trains_nvidias_bert_on_bins_too():
    cells = {"source": "NVIDIA/DeepLearningExamples", "framework": "Paddle", "image_size_or_seq_len": "512"}
    assert row_setup(row("cnn", **ENCODER | cells)).workload.network.tokens == 288


def test_dali_and_fused_graphs_are_read_for_every_framework():
    cells = {"framework": "Paddle", "model": "resnet50", "notes": "DALI", "image_size_or_seq_len": "224"}
    assert row_setup(row("cnn", **ENCODER | cells)).stack == "mxnet-ngc"


@pytest.mark.parametrize(
    ("intra", "devices", "message"),
    [
        ("NVLink bridge", "4", "NVLink bridges join 2 devices"),
    ],
)
def test_peers_that_no_profile_models_skip_the_row(intra, devices, message):
    with pytest.raises(RowSkippedError, match=message):
        row_setup(row("cnn", **ENCODER | {"intra_node": intra, "n_devices": devices, "device": "RTX A6000"}))


@pytest.mark.parametrize("intra", ["NVLink, P2P disabled", "no peer access"])
def test_devices_without_access_to_each_other_meet_in_the_hosts_memory(intra):
    """NVLink goes unused."""
    cells = {"intra_node": intra, "n_devices": "2", "device": "V100-SXM2-16GB"}
    level = row_setup(row("cnn", **ENCODER | cells)).cluster.node.levels[0]
    assert (level.link.name, level.ports) == ("host-memory", 1)


@pytest.mark.parametrize("source", ["lambdal/deeplearning-benchmark@aa5addb6", "unknown"])
def test_lambdas_transformer_xl_trains_alone_with_a_full_softmax(source):
    """Its scripts give neither --adaptive nor --multi_gpu: all words, and no gradients between processes."""
    cells = {
        "source": source,
        "source_item": "pytorch/pytorch-train-throughput-fp16.csv lines 2 column transformerxllarge",
        "framework": "NGC PyTorch",
        "model": "transformer-xl-large",
        "image_size_or_seq_len": "",
        "device": "V100-SXM2-16GB",
        "n_devices": "8",
        "batch_per_device": "4",
        "global_batch": "32",
        "metric": "tokens_per_s",
        "value": "48000",
    }
    setup = row_setup(row("cnn", **ENCODER | cells))
    assert setup.workload.network.name == "transformer-xl-large-full-softmax"
    assert (setup.workload.network.tokens, setup.cluster.devices, setup.measured) == (256, 1, 6000)


def test_nvidias_image_networks_are_channels_first_unless_a_script_says_otherwise():
    cells = {
        "source": "lambdal/deeplearning-benchmark",
        "framework": "NGC PyTorch",
        "model": "resnet50",
        "image_size_or_seq_len": "224",
    }
    assert row_setup(row("cnn", **ENCODER | cells)).stack == "pytorch-ngc-channels-first"


@pytest.mark.parametrize(("said", "layout"), [("yes", "channels_last"), ("no", "channels_first")])
def test_the_layout_of_maps_is_read_from_its_column(said, layout):
    cells = {
        "source": "huggingface/pytorch-image-models",
        "framework": "PyTorch 1.12 timm",
        "model": "resnet50",
        "image_size_or_seq_len": "224",
        "channels_last": said,
    }
    assert load_stack(row_setup(row("cnn", **ENCODER | cells)).stack).layout == layout


def test_a_bridge_of_two_is_nvlink():
    bridged = {"intra_node": "NVLink bridge", "n_devices": "2", "device": "RTX A6000"}
    level = row_setup(row("cnn", **ENCODER | bridged)).cluster.node.levels[0]
    assert (level.link.name, level.size, level.ports) == ("nvlink3", 2, 2)


@pytest.mark.parametrize(("device", "matmul"), [("V100-SXM2-32GB", "fp32"), ("RTX 3090", "tf32")])
def test_tf32_is_fp32_on_devices_without_it(device, matmul):
    cells = {"precision": "fp32 (TF32 by NGC default on Ampere and later)", "device": device}
    assert row_setup(row("cnn", **ENCODER | cells)).workload.precision.matmul == matmul


def test_hiding_the_source_of_a_row_leaves_a_question():
    """One row of each note without its source is set up, or skipped with a reason that says so."""
    kinds = {(each.file, each["notes"]): each for each in load_published().rows if each.kind == "llm"}
    for known in kinds.values():
        with suppress(RowSkippedError):
            row_setup(replace(known, cells=known.cells | {"source": "unknown"}))


def test_blank_dimensions_are_those_that_everybody_knows_of_a_model():
    blank = dict.fromkeys(("n_layers", "hidden", "n_heads", "ffn"), "")
    asked = (
        GPT | blank | {"source": "someone", "model": "Llama-2-70b-hf", "step_time_s": "1", "n_params_b": "70"}
    )
    setup = row_setup(row(**asked, data_sharding="FSDP"))
    assert setup.workload.network.parameters == load_network("llama2-70b", tokens=2048).parameters
    assert any("n_kv_heads 8" in said for said in setup.assumptions)
    with pytest.raises(RowSkippedError, match="ffn is not published"):
        row_setup(row(**asked | {"n_layers": "12", "hidden": "8192", "n_heads": "64"}))


@pytest.mark.parametrize(
    ("cells", "zero", "schedule"),
    [
        ({"data_sharding": "ZeRO stage 3", "tp": "", "pp": ""}, 3, "1f1b"),
        ({"data_sharding": "fully sharded", "tp": "", "pp": ""}, 3, "1f1b"),
        ({"data_sharding": "DDP", "tp": "", "pp": ""}, 0, "1f1b"),
        ({"pp": "4", "schedule": "1F1B", "device": "H100"}, 1, "1f1b"),
        ({"pp": "4", "schedule": "", "device": "H100"}, 1, "interleaved-1f1b"),
        ({"pp": "4", "schedule": "all-forward all-backward"}, 1, "gpipe"),
        ({"pp": "4", "schedule": "ZB-H1"}, 0, "zb-h1"),
    ],
)
def test_sharding_and_schedules_are_known_as_strangers_write_them(cells, zero, schedule):
    asked = GPT | {"source": "someone", "step_time_s": "1", "micro_batch": "1"} | cells
    (strategy, *_) = row_setup(row(**asked)).strategies
    assert (strategy.zero, strategy.schedule) == (zero, schedule)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"data_sharding": "ZeRO-3 offload"}, "what lies in host memory is not told"),
        ({"data_sharding": "FSDP x TP", "tp": "", "pp": ""}, "tp and pp are not published"),
        ({"pp": "4", "schedule": "Chimera"}, "schedule 'Chimera' is not understood"),
    ],
)
def test_layouts_that_a_row_does_not_tell_are_refused(cells, message):
    with pytest.raises(RowSkippedError, match=message):
        row_setup(row(**GPT | {"source": "someone", "step_time_s": "1"} | cells))


@pytest.mark.parametrize(("recompute", "passes"), [("full", 4), ("none", 3), ("selective", 3)])
def test_tflops_of_an_unknown_source_count_recomputation_as_megatrons_programs_do(recompute, passes):
    """Published: 24 k B s l h^2 (1 + s / 6h + V / 16lh), k = 4 with full recomputation and 3 without."""
    cells = GPT | {"source": "x", "tp": "2", "model": "GPT-3", "vocab": "51200", "recompute": recompute}
    setup = row_setup(row(**cells, tflops_per_device="100"))
    hidden, layers, tokens = 2304, 24, 2048
    flops = 24 * passes * 512 * tokens * layers * hidden**2
    flops *= 1 + tokens / (6 * hidden) + 51200 / (16 * layers * hidden)
    assert setup.measured == pytest.approx(flops / (32 * 100e12))


def test_printed_heads_that_are_not_the_published_ones_bring_their_own_keys():
    cells = GPT | {"model": "GPT-3 1.3B", "hidden": "2048", "n_heads": "16", "step_time_s": "1"}
    assert decoder_shape(with_shape(row(**cells))[0], tp=1).kv_heads == 16


def test_what_lies_between_layers_is_divided_in_maxtexts_mesh():
    cells = LLAMA | {"source": "MaxText", "device": "TPU v5e", "n_devices": "256", "recompute": "full"}
    mesh = {"data_sharding": "ici_fsdp_parallelism=16; ici_tensor_parallelism=16", "step_time_s": "1"}
    (strategy,) = row_setup(
        row(**cells | {"ffn": "11008", "tp": "", "pp": "", "micro_batch": "2"} | mesh)
    ).strategies
    assert (strategy.tp, strategy.sequence_parallel) == (16, True)
