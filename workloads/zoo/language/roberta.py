"""RoBERTa, XLM-R and DistilBERT: BERT's encoder, trained on masked tokens alone.

Liu et al. 2019 (arXiv:1907.11692): no sentence head, no segments, and a vocabulary of bytes; positions begin
behind the padding's row, so their table has two rows more than a sequence has tokens. Conneau et al. 2019
(arXiv:1911.02116): the same on 250,002 tokens. Sanh et al. 2019 (arXiv:1910.01108): half of BERT's layers,
without segments. Transformers scores every token (``RobertaLMHead`` in ``modeling_roberta.py``,
``vocab_transform`` in ``modeling_distilbert.py``), not the masked ones alone.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from workloads.layers.tokens.token_loss import token_loss
from workloads.network import Block, Network
from workloads.zoo.language.bert import bert_config, masked_token_head
from workloads.zoo.language.decoder.ends import embedding_layers
from workloads.zoo.language.decoder.layer import transformer_layers
from workloads.zoo.language.decoder.stack import build_network

ROBERTA = "Liu et al. 2019 (arXiv:1907.11692)"
XLM = "Conneau et al. 2019 (arXiv:1911.02116)"
DISTILLED = "Sanh et al. 2019 (arXiv:1910.01108)"
PADDING = 2
"""Rows of RoBERTa's position table before that of the first token."""
LONGEST = 512


def build_masked_encoder(
    name: str,
    source: str,
    shape: tuple[int, int, int],
    *,
    vocab: int,
    segments: int = 1,
    padding: int = PADDING,
    tokens: int | None = None,
) -> Network:
    """An encoder that predicts masked tokens.

    Args:
        name: registered name.
        source: paper.
        shape: transformer blocks, features of the residual stream, attention heads.
        vocab: rows of the token table.
        segments: rows of the segment table; 0 for none.
        padding: rows of the position table before that of the first token.
        tokens: sequence length of one sample; None for 512. A longer one enlarges the position table.
    """
    length = LONGEST if tokens is None else tokens
    config = replace(
        bert_config(name, *shape, tokens=length),
        source=source,
        vocab=vocab,
        segments=segments,
        max_positions=max(LONGEST, length) + padding,
    )
    loss = token_loss("loss", "bias", tokens=length, vocab=vocab)
    head = (*masked_token_head(config, length), loss)
    blocks = (
        Block(name="embedding", layers=embedding_layers(config), recomputable=False),
        Block(name="encoder", layers=transformer_layers(config), count=config.layers),
        Block(name="head", layers=head, recomputable=False),
    )
    return build_network(config, blocks)


BASE, LARGE = (12, 768, 12), (24, 1024, 16)

NETWORKS: dict[str, Callable[..., Network]] = {
    "roberta-base": partial(build_masked_encoder, "roberta-base", ROBERTA, BASE, vocab=50265),
    "roberta-large": partial(build_masked_encoder, "roberta-large", ROBERTA, LARGE, vocab=50265),
    "xlm-roberta-base": partial(build_masked_encoder, "xlm-roberta-base", XLM, BASE, vocab=250002),
    "xlm-roberta-large": partial(build_masked_encoder, "xlm-roberta-large", XLM, LARGE, vocab=250002),
    "distilroberta-base": partial(
        build_masked_encoder, "distilroberta-base", DISTILLED, (6, 768, 12), vocab=50265
    ),
    "distilbert-base": partial(
        build_masked_encoder,
        "distilbert-base",
        DISTILLED,
        (6, 768, 12),
        vocab=30522,
        segments=0,
        padding=0,
    ),
}
ALIASES = {
    "roberta": "roberta-base",
    "distilbert": "distilbert-base",
    "distilbert-base-uncased": "distilbert-base",
    "distilroberta": "distilroberta-base",
} | {f"xlmr-{size}": f"xlm-roberta-{size}" for size in ("base", "large")}
