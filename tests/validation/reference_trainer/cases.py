"""Cases small enough for a test, shared by the tests of the trainer."""

from dataclasses import replace

from simdl.software.reader import load_stack
from simdl.step.strategy import Strategy
from validation.reference_trainer.case import TrainingCase
from workloads.dtypes import load_precision
from workloads.layers.classifier import softmax
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.images.compound import conv_relu
from workloads.layers.images.pooling import max_pool
from workloads.layers.linear import linear
from workloads.network import Network
from workloads.optimizers import load_optimizer
from workloads.workload import Workload
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.stack import build_decoder


def small_decoder(*, layers: int = 2, dropout: bool = False) -> Network:
    """A GPT with a tied head."""
    config = DecoderConfig(
        name="small",
        source="test",
        layers=layers,
        hidden=16,
        heads=4,
        kv_heads=4,
        head_size=4,
        ffn=32,
        vocab=30,
        tokens=8,
        gated=False,
        activation="gelu",
        normalization="layernorm",
        positions="learned",
        max_positions=8,
        bias=True,
        qkv_bias=True,
        tied=True,
        dropout=dropout,
    )
    return build_decoder(config)


def small_images() -> Network:
    """Two convolutions and a classifier."""
    draft = Draft((3, 12, 12))
    conv_relu(draft, "conv1", out_channels=8, kernel=3, padding=1)
    draft.add(max_pool, "pool1", kernel=2)
    conv_relu(draft, "conv2", out_channels=8, kernel=3, padding=1)
    draft.add(linear, "fc", out_features=10)
    draft.add(softmax, "loss")
    return build_image_network("small-images", draft.blocks(), source="test")


def build_case(
    network: Network | None = None, strategy: Strategy | None = None, *, precision: str = "fp32", **changes
) -> TrainingCase:
    """A case of a small network, 8 samples a step."""
    case = TrainingCase(
        workload=Workload(
            network=network or small_decoder(),
            optimizer=load_optimizer("momentum"),
            precision=load_precision(precision),
            global_batch=8,
        ),
        strategy=strategy or Strategy(micro_batch=4),
        stack=load_stack("pytorch-cpu"),
        warmup=1,
        steps=3,
        budget=60.0,
    )
    return replace(case, **changes)
