"""Recommendation: DLRM with tables over all ranks, and neural collaborative filtering.

DLRM (Naumov et al. 2019, arXiv:1906.00091): a bottom network of dense features, one pooled row per
categorical feature, dot products of all pairs, a top network. MLPerf since v3.0 trains DLRM-DCNv2 (mlcommons/
training, recommendation_v2/torchrec_dlrm): cross layers in place of dot products, several lookups per table.
NeuMF (He et al. 2017, arXiv:1708.05031), dimensions of NVIDIA's DeepLearningExamples, PyTorch/Recommendation/
NCF, on MovieLens-20M.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from workloads.exchange import Tables
from workloads.layer import Layer
from workloads.layers.drafts.gradient_flow import drop_unused_gradients
from workloads.layers.pointwise import pointwise
from workloads.layers.tables import (
    click_loss,
    cross_layer,
    dense_table,
    joined_features,
    pair_products,
    rectified_linear,
    table_lookups,
)
from workloads.network import Block, Network
from workloads.operators import Split

DLRM = "Naumov et al. 2019 (arXiv:1906.00091)"
CRITEO_TERABYTE = (
    *(40_000_000, 39_060, 17_295, 7_424, 20_265, 3, 7_122, 1_543, 63, 40_000_000, 3_067_956, 405_282, 10),
    *(2_209, 11_938, 155, 4, 976, 14, 40_000_000, 40_000_000, 40_000_000, 590_152, 12_973, 108, 36),
)
"""Rows by feature of Criteo's terabyte of clicks, at most 40 million each (MLPerf)."""
CRITEO_KAGGLE = (
    *(1_460, 583, 10_131_227, 2_202_608, 305, 24, 12_517, 633, 3, 93_145, 5_683, 8_351_593, 3_194),
    *(27, 14_992, 5_461_306, 10, 5_652, 2_173, 4, 7_046_547, 18, 15, 286_181, 105, 142_572),
)
"""Rows by feature of Criteo's Kaggle challenge (facebookresearch/dlrm)."""
MULTI_HOT = (3, 2, 1, 2, 6, 1, 1, 1, 1, 7, 3, 8, 1, 6, 9, 5, 1, 1, 1, 12, 100, 27, 10, 3, 1, 1)
"""Rows that a sample looks up in each table (MLPerf DLRM-DCNv2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationConfig:
    """A DLRM.

    Attributes:
        name: registered name.
        source: paper or code.
        rows, lookups: of every table.
        width: features of a row, and of the bottom network's output.
        dense: numerical features of a sample.
        bottom, top: outputs of the linear layers; the last of ``bottom`` is ``width``.
        cross: layers and rank of the cross network; () for dot products.
        by_row: rows of every table lie on all ranks.
    """

    name: str
    source: str
    rows: tuple[int, ...]
    lookups: tuple[int, ...] = ()
    width: int
    dense: int = 13
    bottom: tuple[int, ...]
    top: tuple[int, ...]
    cross: tuple[int, int] | tuple[()] = ()
    by_row: bool = False


def build_dlrm(config: RecommendationConfig) -> Network:
    """The network: blocks ``features``, ``interaction``, ``top`` and ``head``."""
    tables = Tables(
        rows=config.rows,
        width=config.width,
        lookups=config.lookups or (1,) * len(config.rows),
        by_row=config.by_row,
    )
    vectors = len(config.rows) + 1
    elements = vectors * config.width
    bottom = _perceptron("bottom", "input", config.dense, config.bottom, last=False)
    features = (
        table_lookups("tables", "input", tables),
        *bottom,
        joined_features("join", (bottom[-1].name, "tables"), elements=elements),
    )
    interaction, outputs = _interaction(config, vectors)
    blocks = (
        Block(name="features", layers=features, recomputable=False),
        Block(name="interaction", layers=interaction),
        Block(name="top", layers=tuple(_perceptron("top", "input", outputs, config.top, last=True))),
        Block(name="head", layers=(click_loss("loss", "input"),), recomputable=False),
    )
    return Network(
        name=config.name,
        blocks=drop_unused_gradients(blocks),
        source=config.source,
        sample="record",
        parted=sum(config.rows),
        part="row",
    )


def _interaction(config: RecommendationConfig, vectors: int) -> tuple[tuple[Layer, ...], int]:
    """Layers that combine the features, and how many outputs they have."""
    if not config.cross:
        kept = vectors * (vectors - 1) // 2 + config.width
        return (pair_products("pairs", "input", vectors=vectors, width=config.width, kept=kept),), kept
    count, rank = config.cross
    features, source = vectors * config.width, "input"
    layers: list[Layer] = []
    for number in range(1, count + 1):
        layers += cross_layer(f"cross{number}", source, features=features, rank=rank)
        source = layers[-1].name
    return tuple(layers), features


def _perceptron(name: str, source: str, inputs: int, outputs: Sequence[int], *, last: bool) -> list[Layer]:
    layers: list[Layer] = []
    for number, width in enumerate(outputs, start=1):
        layers += rectified_linear(
            f"{name}{number}", source, inputs=inputs, outputs=width, last=last and number == len(outputs)
        )
        source, inputs = layers[-1].name, width
    return layers


def build_ncf(
    name: str = "ncf",
    *,
    users: int = 138_493,
    items: int = 26_744,
    factors: int = 64,
    widths: tuple[int, ...] = (256, 256, 128, 64),
) -> Network:
    """NeuMF: products of factors beside a perceptron on both embeddings.

    Args:
        name: registered name.
        users: of the table of users.
        items: of the table of items.
        factors: of the matrix factorisation.
        widths: features of the perceptron, the first of both embeddings together.
    """
    half = widths[0] // 2
    product = Layer(
        name="product",
        kind="product",
        inputs=("mf_user", "mf_item"),
        output_shape=(factors,),
        forward=(pointwise("multiply", factors, split=Split.REPLICATED, inputs=2),),
        input_gradient=(pointwise("product gradient", 2 * factors, split=Split.REPLICATED, inputs=2),),
    )
    perceptron = _perceptron("mlp", "join", widths[0], widths[1:], last=False)
    outputs = factors + widths[-1]
    layers = (
        dense_table("mf_user", "input", rows=users, width=factors),
        dense_table("mf_item", "input", rows=items, width=factors),
        dense_table("mlp_user", "input", rows=users, width=half),
        dense_table("mlp_item", "input", rows=items, width=half),
        product,
        joined_features("join", ("mlp_user", "mlp_item"), elements=widths[0]),
        *perceptron,
        joined_features("both", ("product", perceptron[-1].name), elements=outputs),
        *rectified_linear("predict", "both", inputs=outputs, outputs=1, last=True),
    )
    return Network(
        name=name,
        blocks=(
            Block(name="model", layers=layers, recomputable=False),
            Block(name="head", layers=(click_loss("loss", "input"),), recomputable=False),
        ),
        source="He et al. 2017 (arXiv:1708.05031); NVIDIA DeepLearningExamples, PyTorch/Recommendation/NCF",
        sample="record",
    )


_MLPERF = partial(
    RecommendationConfig,
    rows=CRITEO_TERABYTE,
    width=128,
    bottom=(512, 256, 128),
    top=(1024, 1024, 512, 256, 1),
)
_CONFIGS = (
    _MLPERF(
        name="dlrm-dcnv2",
        source="mlcommons/training, recommendation_v2/torchrec_dlrm; Wang et al. 2020 (arXiv:2008.13535)",
        lookups=MULTI_HOT,
        cross=(3, 512),
    ),
    _MLPERF(name="dlrm-terabyte", source=f"{DLRM}; MLPerf v0.7 to v2.1"),
    RecommendationConfig(
        name="dlrm-kaggle",
        source=f"{DLRM}; facebookresearch/dlrm, bench/dlrm_s_criteo_kaggle.sh",
        rows=CRITEO_KAGGLE,
        width=16,
        bottom=(512, 256, 64, 16),
        top=(512, 256, 1),
    ),
)
NETWORKS: dict[str, Callable[..., Network]] = {
    **{config.name: partial(build_dlrm, config) for config in _CONFIGS},
    "ncf": build_ncf,
}
