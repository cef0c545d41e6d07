"""A network, or a stage of it, as a torch module: a chain of blocks.

A tied projection uses the weight of its owner. Where the owner is in another stage it uses a copy, whose
gradient the stages must add up. Every block draws its parameters from a seed of its own, so that they do not
depend on the cut.
"""

from collections.abc import Iterator, Sequence

import torch

from validation.errors import TrainerError
from validation.reference_trainer.block_module import BlockModule
from validation.reference_trainer.modules.linear import TiedProjection
from validation.reference_trainer.modules.loss import LOSSES
from workloads.network import Block, Network

SEED = 20


class StageModule(torch.nn.Module):
    """Consecutive blocks of a network.

    Attributes:
        blocks: in chain order.
        places: names of the blocks, ``block`` or ``block.index``.
        tables: weights by owner (``block/layer``) that several layers of the network share, as far as the
            stage uses them.
    """

    def __init__(self, network: Network, *, attention: str, first: int = 0, last: int | None = None) -> None:
        """Build the blocks from ``first`` up to ``last`` (exclusive) of the chain.

        Args:
            network: the whole network.
            attention: ``Stack.attention``.
            first: place in the chain.
            last: place behind the stage; None for the end of the chain.

        Raises:
            TrainerError: the network does not end in a loss.
        """
        super().__init__()
        _check_loss(network)
        chain = list(network.named_chain())
        part = range(len(chain))[first:last]
        self.places = tuple(chain[index][0] for index in part)
        self.blocks = torch.nn.ModuleList(_build(chain[index][1], index, attention) for index in part)
        self.tables: dict[str, torch.nn.Parameter] = {}
        self._tie(chain, attention)

    def forward(self, x: torch.Tensor, targets: Sequence[torch.Tensor] = ()) -> torch.Tensor:
        """Activations of the last block, or the loss where the stage ends the network."""
        for block in self.blocks:
            x = block(x, targets)
        return x

    def layer_modules(self) -> Iterator[tuple[str, str, torch.nn.Module]]:
        """Full name, kind and module of every layer, as `Network.layers` names them."""
        for place, module in zip(self.places, self.blocks, strict=True):
            for layer, made in zip(module.block.layers, module.layers, strict=True):
                yield f"{place}/{layer.name}", layer.kind, made

    def _tie(self, chain: Sequence[tuple[str, Block]], attention: str) -> None:
        owners = {layer.tied for _, block in chain for layer in block.layers if layer.tied}
        self.tables |= {name: module.weight for name, _, module in self.layer_modules() if name in owners}
        for module in self.blocks:
            for layer, made in zip(module.block.layers, module.layers, strict=True):
                if isinstance(made, TiedProjection):
                    if layer.tied not in self.tables:
                        self.tables[layer.tied] = _owned_weight(chain, layer.tied, attention)
                    made.weight = self.tables[layer.tied]


def _build(block: Block, index: int, attention: str) -> BlockModule:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED + index)
        return BlockModule(block, attention=attention)


def _owned_weight(chain: Sequence[tuple[str, Block]], owner: str, attention: str) -> torch.nn.Parameter:
    """The weight as its owner, in another stage, draws it."""
    place, _, name = owner.rpartition("/")
    index = next(index for index, (known, _) in enumerate(chain) if known == place)
    module = _build(chain[index][1], index, attention)
    layers = [layer.name for layer in module.block.layers]
    weight = module.layers[layers.index(name)].weight
    assert isinstance(weight, torch.nn.Parameter)  # noqa: S101
    return weight


def _check_loss(network: Network) -> None:
    last = network.blocks[-1].layers[-1]
    if last.kind not in LOSSES:
        message = f"network {network.name} ends in {last.name!r} of kind {last.kind}"
        raise TrainerError(f"{message}; expected one of {', '.join(LOSSES)} to train on")
