"""Tensor trains: a fully connected layer as a chain of small products.

A matrix of M = m_1 ... m_d outputs and N = n_1 ... n_d inputs is written as cores G_k of r_{k-1} x m_k x
n_k x r_k numbers, with r_0 = r_d = 1 (Novikov et al. 2015, arXiv:1509.06569, section 4):

    parameters = sum over k of r_{k-1} m_k n_k r_k

The layer is computed core by core. Step k multiplies, for each of m_1 ... m_{k-1} x n_{k+1} ... n_d places, a
vector of r_{k-1} n_k numbers by the core: 2 x m_1 ... m_{k-1} x n_{k+1} ... n_d x r_{k-1} n_k m_k r_k flops
(section 4.1, of the order O(d r^2 m max(M, N))).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from workloads.errors import NetworkError
from workloads.layer import Layer, SavedActivation
from workloads.network import Network
from workloads.operators import MatmulShape, Operator, OperatorKind, Split
from workloads.transforms.low_rank import flowing_gradient, is_matrix_layer, matrix_of
from workloads.transforms.selection import change_layers, chosen_layers

FULLY_CONNECTED = "a fully connected layer with weights of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorTrain:
    """Replaces matrices of fully connected layers by trains of cores.

    Attributes:
        layers: names or patterns; all fully connected ones where there are none.
        inputs: n_1 to n_d, whose product is the inputs.
        outputs: m_1 to m_d, whose product is the outputs.
        ranks: r_1 to r_{d-1}, or one number for all of them.
    """

    layers: tuple[str, ...] = ()
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    ranks: tuple[int, ...] = (1,)

    def apply(self, network: Network) -> Network:
        """The network with trains.

        Raises:
            NetworkError: unknown layers, factors that do not make up a matrix, or ranks above its own.
        """
        names = chosen_layers(
            network,
            self.layers,
            lambda layer: layer.kind == "linear" and is_matrix_layer(layer),
            what="tensor-train",
            expected=FULLY_CONNECTED,
        )
        return change_layers(network, names, self._train)

    def faults(self) -> Iterator[str]:
        """What is wrong with the numbers."""
        for name in ("inputs", "outputs", "ranks"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                yield f"{name}: found {list(getattr(self, name))}; expected whole numbers of at least 1"
        if len(self.inputs) != len(self.outputs):
            found = f"found {len(self.outputs)} factors and {len(self.inputs)} of inputs"
            yield f"outputs: {found}; expected as many"
        elif len(self.ranks) not in (1, len(self.inputs) - 1):
            between = len(self.inputs) - 1
            yield f"ranks: found {len(self.ranks)}; expected one, or {between}, one between cores"

    def _ranks(self) -> tuple[int, ...]:
        inner = self.ranks if len(self.ranks) == len(self.inputs) - 1 else self.ranks * (len(self.inputs) - 1)
        return (1, *inner, 1)

    def _train(self, name: str, layer: Layer) -> tuple[Layer]:
        outputs, inputs = matrix_of(name, layer)
        faults = [*self._extent_faults(name, outputs, inputs), *self._rank_faults(name)]
        if faults:
            raise NetworkError(faults)
        return (train_layer(layer, self.inputs, self.outputs, self._ranks()),)

    def _extent_faults(self, name: str, outputs: int, inputs: int) -> Iterator[str]:
        for what, factors, extent in (("inputs", self.inputs, inputs), ("outputs", self.outputs, outputs)):
            if prod(factors) != extent:
                product = " x ".join(map(str, factors))
                found = f"found {product} = {prod(factors)}"
                yield f"tensor-train: {name}: {what}: {found}; expected factors of {extent}"

    def _rank_faults(self, name: str) -> Iterator[str]:
        """A rank is at most that of the matrix that its cut makes of the tensor."""
        pairs = [m * n for m, n in zip(self.outputs, self.inputs, strict=True)]
        for k, rank in enumerate(self._ranks()[1:-1], start=1):
            most = min(prod(pairs[:k]), prod(pairs[k:]))
            if rank > most:
                yield f"tensor-train: {name}: ranks: found {rank} behind core {k}; expected at most {most}"


def train_layer(
    layer: Layer, inputs: tuple[int, ...], outputs: tuple[int, ...], ranks: tuple[int, ...]
) -> Layer:
    """A layer that computes a train of cores in place of one matrix."""
    rows = prod(layer.output_shape[:-1])
    shapes = list(core_shapes(inputs, outputs, ranks, rows))
    cores = sum(shape.columns * shape.depth for shape in shapes)
    rest = tuple(operator for operator in layer.forward if operator.kind is not OperatorKind.MATMUL)
    between = sum(shape.rows * shape.columns for shape in shapes[:-1])
    return replace(
        layer,
        kind="tensor_train",
        parameters=cores + layer.parameters - layer.product_weights,
        parameter_split=Split.REPLICATED,
        forward=(*(_product(f"core {k}", shape) for k, shape in enumerate(shapes, start=1)), *rest),
        input_gradient=flowing_gradient(layer, tuple(map(_transposed, reversed(shapes)))),
        weight_gradient=(
            *(_gradient(shape) for shape in reversed(shapes)),
            *(op for op in layer.weight_gradient if op.kind is not OperatorKind.MATMUL),
        ),
        saved=(*layer.saved, SavedActivation(name="between cores", elements=between)),
        tensor_entry=0,
        tensor_exit=0,
        attributes={"inputs": inputs, "outputs": outputs, "ranks": ranks},
    )


def core_shapes(
    inputs: tuple[int, ...], outputs: tuple[int, ...], ranks: tuple[int, ...], rows: int = 1
) -> Iterator[MatmulShape]:
    """The product of each core, in order.

    Example:
        >>> [shape.columns * shape.depth for shape in core_shapes((2, 3), (4, 5), (1, 2, 1))]
        [16, 30]
    """
    for k in range(len(inputs)):
        places = prod(outputs[:k]) * prod(inputs[k + 1 :])
        yield MatmulShape(rows=rows * places, columns=outputs[k] * ranks[k + 1], depth=ranks[k] * inputs[k])


def _product(name: str, shape: MatmulShape) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.MATMUL,
        flops=2 * shape.rows * shape.columns * shape.depth,
        reads=shape.rows * shape.depth,
        writes=shape.rows * shape.columns,
        weights=shape.columns * shape.depth,
        shape=shape,
    )


def _transposed(shape: MatmulShape) -> Operator:
    turned = MatmulShape(rows=shape.rows, columns=shape.depth, depth=shape.columns)
    return _product("input gradient", turned)


def _gradient(shape: MatmulShape) -> Operator:
    return Operator(
        name="weight gradient",
        kind=OperatorKind.MATMUL,
        flops=2 * shape.rows * shape.columns * shape.depth,
        reads=shape.rows * (shape.columns + shape.depth),
        weights=shape.columns * shape.depth,
        shape=MatmulShape(rows=shape.depth, columns=shape.columns, depth=shape.rows, batch_axis="depth"),
    )
