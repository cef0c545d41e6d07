"""Vocabularies padded for tensor parallelism, as a software stack pads them.

Megatron-LM rounds the vocabulary up to a multiple of ``make_vocab_size_divisible_by`` (128) times the
tensor-parallel degree, so that every rank holds an equal and even part of the token table and of the logits
(``megatron/training/tokenizer``, ``_vocab_size_with_padding``). The padding takes memory and time like the
rest; model flops do not count it.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from workloads.layer import Layer
from workloads.network import Block, Network
from workloads.operators import Division, Operator, PaddedSplit, Split


def padded_vocabulary(vocab: int, multiple: int, tp: int) -> int:
    """Entries that all tensor-parallel ranks together hold; the vocabulary itself without such ranks."""
    return -(-vocab // (multiple * tp)) * multiple * tp if tp > 1 else vocab


def vocabularies(network: Network) -> Iterator[int]:
    """Rows of the token tables of a network."""
    for block in network.blocks:
        for layer in block.layers:
            if _is_table(layer):
                yield layer.parameters // layer.output_shape[-1]


@lru_cache(maxsize=64)
def with_padded_vocabulary(network: Network, multiple: int) -> Network:
    """The network whose token tables, logits and losses are divided as padded; itself for a multiple of 1."""
    sizes = frozenset(vocabularies(network))
    if multiple == 1 or not sizes:
        return network
    return replace(network, blocks=tuple(_padded_block(block, sizes, multiple) for block in network.blocks))


def _is_table(layer: Layer) -> bool:
    return layer.kind == "embedding" and layer.attributes.get("index") == "token"


def _padded_block(block: Block, sizes: frozenset[int], multiple: int) -> Block:
    logits = next((layer.output_shape[-1] for layer in block.layers if layer.output_shape[-1] in sizes), 0)
    layers = []
    for layer in block.layers:
        vocab = layer.parameters // layer.output_shape[-1] if _is_table(layer) else logits
        inside = _is_table(layer) or layer.output_shape[-1] in sizes or layer.kind == "loss"
        layers.append(_padded_layer(layer, vocab, multiple) if inside and vocab else layer)
    return block if tuple(layers) == block.layers else replace(block, layers=tuple(layers))


def _padded_layer(layer: Layer, vocab: int, multiple: int) -> Layer:
    def divide(split: Division) -> Division:
        if isinstance(split, Split) and split in {Split.COLUMN, Split.ROW}:
            return PaddedSplit(axis=split, extent=vocab, multiple=multiple)
        return split

    def each(operators: tuple[Operator, ...]) -> tuple[Operator, ...]:
        return tuple(replace(operator, split=divide(operator.split)) for operator in operators)

    return replace(
        layer,
        parameter_split=divide(layer.parameter_split),
        forward=each(layer.forward),
        input_gradient=each(layer.input_gradient),
        weight_gradient=each(layer.weight_gradient),
        saved=tuple(replace(tensor, split=divide(tensor.split)) for tensor in layer.saved),
    )
