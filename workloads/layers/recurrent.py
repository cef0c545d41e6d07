"""Recurrent layers: the same cell at every step of a sequence, each step waiting for the one before.

    LSTM (Hochreiter and Schmidhuber 1997; Gers et al. 2000)     four gates
    GRU (Cho et al. 2014, arXiv:1406.1078)                       three
    tanh (Elman 1990)                                            one

A layer of h units, g gates and I inputs multiplies the inputs of all s steps at once, 2 s g h I flops, and
walks through the steps: a product with the recurrent weights, 2 g h^2, then the gates (Appleyard et al. 2016,
arXiv:1604.01946). Backward it walks the other way; weight gradients are products over all steps again. A
bidirectional layer walks both ways at once, as two products in every step (Schuster and Paliwal 1997).
Parameters: g h (I + h) weights and a bias of g h for inputs and state each, as cuDNN and PyTorch keep them.
Operators are named by their cell, because libraries walk through the steps of each by kernels of its own, and
oneDNN multiplies the inputs of an LSTM itself.
"""

from dataclasses import dataclass, replace

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import bias_gradient
from workloads.operators import MatmulShape, Operator, OperatorKind, Split

GATES = {"lstm": 4, "gru": 3, "tanh": 1}
"""Gates of a cell by its name."""
WORK = {"lstm": 30, "gru": 26, "tanh": 6}
"""[FLOP] per unit and step of gates and state; nominal, because bytes price these kernels."""


ONEDNN_LSTM = "onednn_lstm"
"""Group of an LSTM that a stack hands whole to oneDNN, with a workspace in place of gates and states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Dimensions of a recurrent layer.

    Attributes:
        kind: a key of ``GATES``.
        steps: of a sequence.
        inputs: features of one step.
        hidden: units.
        directions: 2 where the sequence is read both ways.
        biases: vectors of biases per gate: 2 in cuDNN, 1 in most papers, 0 for none.
    """

    kind: str
    steps: int
    inputs: int
    hidden: int
    directions: int = 1
    biases: int = 2

    @property
    def width(self) -> int:
        """Outputs of all gates of one direction."""
        return GATES[self.kind] * self.hidden

    @property
    def parameters(self) -> int:
        """Trainable elements."""
        return self.directions * self.width * (self.inputs + self.hidden + self.biases)


def recurrent(name: str, source: str, cell: Cell) -> Layer:
    """A recurrent layer over a whole sequence; its output has the units of all directions side by side."""
    steps, ways = cell.steps, cell.directions
    state = steps * ways * cell.hidden
    long = cell.kind == "lstm"
    walk = ONEDNN_LSTM if long else ""
    saved = [
        SavedActivation(name="input", elements=steps * cell.inputs),
        SavedActivation(name="gates", elements=steps * ways * cell.width, fusion=walk),
        SavedActivation(name="states", elements=state * (2 if long else 1), fusion=walk),
    ]
    if long:
        saved.append(SavedActivation(name="workspace", elements=ways * _workspace(cell), kernel=ONEDNN_LSTM))
    return Layer(
        name=name,
        kind="recurrent",
        inputs=(source,),
        output_shape=(steps, ways * cell.hidden),
        parameters=cell.parameters,
        forward=(_inputs(cell), _step_product(cell), _gates(cell)),
        input_gradient=(_gate_gradients(cell), *_step_gradient(cell), _input_gradient(cell)),
        weight_gradient=tuple(_weight_gradients(cell)),
        saved=tuple(saved),
        attributes={
            "cell": cell.kind,
            "inputs": cell.inputs,
            "hidden": cell.hidden,
            "directions": ways,
            "biases": cell.biases,
        },
    )


def _workspace(cell: Cell) -> int:
    """Elements that oneDNN keeps of an LSTM's walk in one direction, without the padding of rows.

    Gates and hidden units of every step; of every step and the start, before and behind the layer, its state
    with two gradients, as wide as the wider of inputs and units, and the cell with its own gradient
    (src/cpu/rnn/rnn_utils.hpp, ``ws_gates_size`` to ``ws_diff_states_iter_c_size``).
    """
    wide = max(cell.inputs, cell.hidden)
    return cell.steps * (cell.width + cell.hidden) + (cell.steps + 1) * 2 * (3 * wide + 2 * cell.hidden)


def _inputs(cell: Cell) -> Operator:
    columns = cell.directions * cell.width
    return _product(
        f"{cell.kind} input product", MatmulShape(rows=cell.steps, columns=columns, depth=cell.inputs)
    )


def _input_gradient(cell: Cell) -> Operator:
    depth = cell.directions * cell.width
    shape = MatmulShape(rows=cell.steps, columns=cell.inputs, depth=depth)
    return _product(f"{cell.kind} input gradient", shape)


def _step_product(cell: Cell) -> Operator:
    shape = MatmulShape(rows=1, columns=cell.width, depth=cell.hidden, products=cell.directions)
    return _product(f"{cell.kind} step product", shape, steps=cell.steps)


def _step_gradient(cell: Cell) -> tuple[Operator, ...]:
    """Of every step but the first, whose state has no gradient that anybody reads."""
    if cell.steps == 1:
        return ()
    shape = MatmulShape(rows=1, columns=cell.hidden, depth=cell.width, products=cell.directions)
    return (_product(f"{cell.kind} step gradient", shape, steps=cell.steps - 1),)


def _gates(cell: Cell) -> Operator:
    """Reads both products and the state, writes gates and the new state."""
    states = 2 if cell.kind == "lstm" else 1
    reads = 2 * cell.width + (states - 1) * cell.hidden
    return _walk(
        f"{cell.kind} gates",
        cell,
        reads=reads,
        writes=cell.width + states * cell.hidden,
        work=WORK[cell.kind],
    )


def _gate_gradients(cell: Cell) -> Operator:
    """Reads gates, states and both gradients of the state; writes the gates' gradients and the state's."""
    reads = cell.width + (4 if cell.kind == "lstm" else 3) * cell.hidden
    work = 2 * WORK[cell.kind]
    return _walk(f"{cell.kind} gate gradients", cell, reads=reads, writes=cell.width + cell.hidden, work=work)


def _weight_gradients(cell: Cell) -> list[Operator]:
    columns = cell.directions * cell.width
    operators = [
        _product(
            f"{cell.kind} input weight gradient",
            MatmulShape(rows=cell.inputs, columns=columns, depth=cell.steps, batch_axis="depth"),
        ),
        _product(
            f"{cell.kind} step weight gradient",
            MatmulShape(
                rows=cell.hidden,
                columns=cell.width,
                depth=cell.steps,
                products=cell.directions,
                batch_axis="depth",
            ),
        ),
    ]
    if cell.biases:
        summed = bias_gradient(cell.steps * columns, cell.biases * columns, split=Split.REPLICATED)
        operators.append(replace(summed, name=f"{cell.kind} bias gradient"))
    return operators


def _walk(name: str, cell: Cell, *, reads: int, writes: int, work: int) -> Operator:
    every = cell.steps * cell.directions
    return Operator(
        name=name,
        kind=OperatorKind.ELEMENTWISE,
        flops=work * every * cell.hidden,
        reads=every * reads,
        writes=every * writes,
        steps=cell.steps,
    )


def _product(name: str, shape: MatmulShape, *, steps: int = 1) -> Operator:
    rows, columns, depth, count = shape.rows, shape.columns, shape.depth, shape.products * steps
    backward = shape.batch_axis == "depth"
    return Operator(
        name=name,
        kind=OperatorKind.MATMUL,
        flops=2 * rows * columns * depth * count,
        reads=(rows + columns) * depth * count if backward else rows * depth * count,
        writes=0 if backward else rows * columns * count,
        weights=(rows * columns if backward else columns * depth) * shape.products,
        shape=shape,
        steps=steps,
    )
