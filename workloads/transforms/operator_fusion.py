"""Operator fusion as compilers do it: neighbours that pass a tensor on to one reader become one kernel.

- ``conv-bn-relu``: convolutions and fully connected layers take in what follows them element by element:
  bias, normalisation with known means, activation, sum with a shortcut (Chen et al. 2018, TVM,
  arXiv:1802.04799, section 3: complex-out-fusible operators). In training the sums of batch normalisation
  stand between a convolution and the rest, which then fuses by itself.
- ``elementwise``: chains of operators that go element by element, and the normalisation or softmax that ends
  or begins them (section 3: injective operators and reductions; Ansel et al. 2024, PyTorch 2, section 4).
- ``attention``: scores, softmax and context as one kernel that never writes the scores (Dao et al. 2022,
  arXiv:2205.14135).

What a fused pair saves is the tensor between them: it is neither written nor read again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from workloads.evaluation import is_of_training
from workloads.layer import Layer
from workloads.network import Block, Network
from workloads.operators import COMPILED, PRODUCTS, Operator, OperatorKind, Pass

CONVOLUTIONS, CHAINS, ATTENTION = "conv-bn-relu", "elementwise", "attention"
GROUPS = (CONVOLUTIONS, CHAINS, ATTENTION)
ROWWISE = frozenset({OperatorKind.NORMALIZATION, OperatorKind.SOFTMAX})
PRODUCERS = frozenset({"convolution", "linear"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuse:
    """Joins operators into kernels.

    Attributes:
        groups: of ``conv-bn-relu``, ``elementwise`` and ``attention``.
    """

    groups: tuple[str, ...] = GROUPS

    def apply(self, network: Network) -> Network:
        """The network as compiled."""
        return replace(network, blocks=tuple(_compiled(block, self.groups) for block in network.blocks))

    def faults(self) -> Iterator[str]:
        """What is wrong with the groups."""
        if not self.groups:
            yield f"groups: found none; expected some of {', '.join(GROUPS)}"
        for group in self.groups:
            if group not in GROUPS:
                yield f"groups: found {group!r}; expected one of {', '.join(GROUPS)}"


@dataclass(frozen=True, slots=True)
class _Step:
    """One operator of a pass in launch order.

    Attributes:
        layer, place: where it stands: the layer's index in its block, its own in the layer's pass.
        operator: what runs.
        follows: it alone reads what the step before wrote.
        starts: what a kernel that begins here may take in: a group, or "" for nothing.
    """

    layer: int
    place: int
    operator: Operator
    follows: bool
    starts: str


def _compiled(block: Block, groups: Sequence[str]) -> Block:
    layers = block.layers
    if ATTENTION in groups:
        layers = tuple(replace(layer, fused_core=True) if layer.core else layer for layer in layers)
    forward = _tagged(_forward_steps(layers, groups))
    backward = _tagged(_backward_steps(layers, groups))
    return replace(
        block,
        layers=tuple(
            replace(
                layer,
                forward=_replaced(layer.forward, forward, index),
                input_gradient=_replaced(layer.input_gradient, backward, index),
            )
            for index, layer in enumerate(layers)
        ),
    )


def _replaced(
    operators: tuple[Operator, ...], tagged: dict[tuple[int, int], Operator], layer: int
) -> tuple[Operator, ...]:
    return tuple(tagged.get((layer, place), operator) for place, operator in enumerate(operators))


def _forward_steps(layers: Sequence[Layer], groups: Sequence[str]) -> list[_Step]:
    """Operators of inference; those of training alone stand between the others and part their kernels."""
    readers = Counter(source for layer in layers for source in layer.inputs)
    steps: list[_Step] = []
    for index, layer in enumerate(layers):
        if layer.core is not None:
            continue
        before = layers[steps[-1].layer].name if steps else ""
        alone = before in layer.inputs and readers[before] == 1
        kept = [each for each in enumerate(layer.forward) if not is_of_training(layer, each[1])]
        for count, (place, operator) in enumerate(kept):
            starts = _starts(layer, operator, groups)
            steps.append(_Step(index, place, operator, follows=count > 0 or alone, starts=starts))
    return steps


def _backward_steps(layers: Sequence[Layer], groups: Sequence[str]) -> list[_Step]:
    """A layer's gradient comes from its one reader, which runs just before; weight gradients read it too."""
    readers = Counter(source for layer in layers for source in layer.inputs)
    steps: list[_Step] = []
    for index in reversed(range(len(layers))):
        layer = layers[index]
        if layer.core is not None:
            continue
        before = layers[steps[-1].layer] if steps else None
        read = before is not None and layer.name in before.inputs and readers[layer.name] == 1
        alone = read and not layer.operators(Pass.WEIGHT_GRADIENT)
        for place, operator in enumerate(layer.input_gradient):
            starts = CHAINS if CHAINS in groups and operator.kind not in PRODUCTS else ""
            steps.append(_Step(index, place, operator, follows=place > 0 or alone, starts=starts))
    return steps


def _starts(layer: Layer, operator: Operator, groups: Sequence[str]) -> str:
    if operator.kind in PRODUCTS:
        return CONVOLUTIONS if CONVOLUTIONS in groups and layer.kind in PRODUCERS else ""
    if CHAINS in groups and (operator.kind is OperatorKind.ELEMENTWISE or operator.kind in ROWWISE):
        return CHAINS
    maps = CONVOLUTIONS in groups and layer.attributes.get("over") == "batch"
    return CHAINS if maps and operator.kind is OperatorKind.ELEMENTWISE else ""


def _tagged(steps: list[_Step]) -> dict[tuple[int, int], Operator]:
    """Operators with the kernels that they belong to, where these hold more than one."""
    found: dict[tuple[int, int], Operator] = {}
    kernel: list[_Step] = []
    for step in [*steps, None]:
        if step is not None and kernel and _joins(kernel, step):
            kernel.append(step)
            continue
        if len(kernel) > 1:
            found |= _as_one(kernel, f"{COMPILED}:{len(found)}")
        kernel = [] if step is None else [step]
    return found


def _joins(kernel: list[_Step], step: _Step) -> bool:
    first, last = kernel[0], kernel[-1].operator
    operator = step.operator
    if not step.follows or not first.starts or operator.steps > 1 or operator.split != last.split:
        return False
    if operator.kind is OperatorKind.ELEMENTWISE:
        return True
    rowwise = operator.kind in ROWWISE and not any(each.operator.kind in ROWWISE for each in kernel)
    return rowwise and first.starts == CHAINS


def _as_one(kernel: list[_Step], tag: str) -> dict[tuple[int, int], Operator]:
    found = {(kernel[0].layer, kernel[0].place): replace(kernel[0].operator, fusion=tag)}
    for before, step in pairwise(kernel):
        chained = min(before.operator.writes, step.operator.reads)
        joined = replace(step.operator, fusion=tag, chained=chained)
        found[step.layer, step.place] = joined
    return found
