"""Speech synthesis: Tacotron 2 from text to spectrograms.

Shen et al. 2017 (arXiv:1712.05884), section 2.2, with the dimensions of NVIDIA's DeepLearningExamples
(PyTorch/SpeechSynthesis/Tacotron2/tacotron2/model.py @729963d). Convolutions over time are those of images
one pixel high. The decoder makes one frame a step: both its LSTM layers read what attention gave the step
before, so nothing of them can be computed for all steps at once. Its steps are cells in a loop
(``Decoder.decode``, ``Attention.forward``), so every operator of the loop is a kernel of every step, and
automatic differentiation multiplies and adds up the gradients of weights, and of the encoder's memory, step
by step.

A sample is an utterance of about 100 characters and 600 frames (LJ Speech: 6.6 s on average, 86 frames a
second).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from workloads.layer import Layer, SavedActivation
from workloads.layers.images.convolution import convolution
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, replicated_projection
from workloads.layers.recurrent import Cell, recurrent
from workloads.layers.tokens.embedding import token_embedding
from workloads.layers.tokens.sequence import sequence_addition, sequence_dropout
from workloads.network import Block, Network
from workloads.operators import MatmulShape, Operator, OperatorKind, Split
from workloads.tensors import Tensor

TACOTRON = (
    "Shen et al. 2017 (arXiv:1712.05884); NVIDIA DeepLearningExamples, PyTorch/SpeechSynthesis/Tacotron2"
)
WHOLE = Split.REPLICATED
CHARACTERS, FRAMES, MELS = 100, 600, 80
SYMBOLS = 148


def time_convolution(
    name: str, source: str, *, steps: int, inputs: int, outputs: int, taps: int, bias: bool = True
) -> Layer:
    """A convolution over time with padding, of maps one pixel high; a bias is a kernel of its own."""
    return convolution(
        name,
        Tensor(source, (inputs, 1, steps)),
        out_channels=outputs,
        kernel=(1, taps),
        padding=(0, (taps - 1) // 2),
        bias=bias,
    )


def _normalised(name: str, source: str, *, steps: int, features: int, function: str) -> list[Layer]:
    """Batch normalisation, activation and dropout."""
    elements = steps * features
    passes = [
        Operator(
            name=what,
            kind=OperatorKind.NORMALIZATION,
            flops=work * elements,
            reads=reads * elements,
            writes=writes * elements,
        )
        for what, work, reads, writes in (
            ("statistics", 3, 1, 0),
            ("normalise", 2, 1, 1),
            ("gradient sums", 5, 2, 0),
            ("input gradient", 4, 2, 1),
        )
    ]
    norm = Layer(
        name=f"{name}_norm",
        kind="time_normalization",
        inputs=(source,),
        output_shape=(steps, features),
        parameters=2 * features,
        forward=tuple(passes[:2]),
        input_gradient=tuple(passes[2:]),
        saved=(SavedActivation(name="input", elements=elements),),
    )
    layers = [norm]
    if function:
        layers.append(_activation(f"{name}_{function}", norm.name, elements, function, (steps, features)))
    layers.append(
        sequence_dropout(f"{name}_dropout", layers[-1].name, steps=steps, features=features, rate=0.5)
    )
    return layers


def _activation(name: str, source: str, elements: int, function: str, shape: tuple[int, ...]) -> Layer:
    work = {"relu": 1, "tanh": 4, "gate": 8}[function]
    return Layer(
        name=name,
        kind="activation",
        inputs=(source,),
        output_shape=shape,
        forward=(pointwise(function, elements, split=WHOLE, work=work),),
        input_gradient=(pointwise(f"{function} gradient", elements, split=WHOLE, inputs=2, work=work),),
        saved=(SavedActivation(name="output", elements=elements),),
        attributes={"function": function},
    )


def build_tacotron2(*, tokens: int | None = None) -> Network:
    """Tacotron 2; ``tokens`` are characters, frames grow with them."""
    characters = CHARACTERS if tokens is None else tokens
    frames = characters * FRAMES // CHARACTERS
    memory = characters * 512
    convolutions = []
    source = "input"
    for number in range(1, 4):
        name = f"conv{number}"
        convolutions.append(time_convolution(name, source, steps=characters, inputs=512, outputs=512, taps=5))
        convolutions += _normalised(name, name, steps=characters, features=512, function="relu")
        source = convolutions[-1].name
    cell = Cell(kind="lstm", steps=characters, inputs=512, hidden=256, directions=2)
    table = token_embedding("tokens", tokens=characters, hidden=512, vocab=SYMBOLS)
    return Network(
        name="tacotron2",
        blocks=(
            Block(name="embedding", layers=(table,), recomputable=False),
            Block(name="encoder", layers=tuple(convolutions)),
            Block(name="bilstm", layers=(recurrent("lstm", "input", cell),)),
            Block(name="decoder", layers=tuple(_decoder(characters, frames)), carried=memory),
            Block(name="postnet", layers=tuple(_postnet(frames)), recomputable=False),
        ),
        source=TACOTRON,
        sample="sequence",
        tokens=characters,
    )


def _decoder(characters: int, frames: int) -> Iterator[Layer]:
    """Prenet of all frames at once, then frame by frame: LSTM, attention, LSTM; then the projections."""
    source = "input"
    for number, inputs in ((1, MELS), (2, 256)):
        name = f"prenet{number}"
        layer = replicated_projection(name, source, Projection(tokens=frames, inputs=inputs, outputs=256))
        yield replace(layer, input_gradient=()) if number == 1 else layer
        yield _activation(f"{name}_relu", name, frames * 256, "relu", (frames, 256))
        yield sequence_dropout(f"{name}_dropout", f"{name}_relu", steps=frames, features=256, rate=0.5)
        source = f"{name}_dropout"
    yield _stepped_cell("attention_lstm", source, frames, inputs=256 + 512, hidden=1024)
    yield _location_attention("attention", "attention_lstm", frames, characters)
    yield _stepped_cell("decoder_lstm", "attention", frames, inputs=1024 + 512, hidden=1024)
    yield _stepped_projection("gate", "decoder_lstm", frames, inputs=1024 + 512, outputs=1)
    yield _stepped_projection("mel", "decoder_lstm", frames, inputs=1024 + 512, outputs=MELS)


def _stepped_cell(name: str, source: str, frames: int, *, inputs: int, hidden: int) -> Layer:
    """An LSTM cell whose inputs come step by step, so that its products wait for each step, and its dropout.

    PyTorch's cell multiplies inputs and state apart and fuses what follows; its inputs are joined before.
    """
    width = 4 * hidden
    states = frames * hidden
    passes = [
        _walk("joined inputs", frames, reads=inputs, writes=inputs),
        _stepped("input product", frames, (1, width, inputs)),
        _stepped("state product", frames, (1, width, hidden)),
        _walk("gates", frames, reads=2 * width + hidden, writes=width + 2 * hidden, work=30 * hidden),
        _walk("dropout", frames, reads=hidden, writes=hidden + hidden // 4, work=hidden),
    ]
    gradients = [
        _walk("sums of state gradients", frames, reads=3 * hidden, writes=hidden, work=2 * hidden),
        _walk("dropout gradient", frames, reads=hidden + hidden // 4, writes=hidden, work=hidden),
        _walk("gate gradients", frames, reads=width + 4 * hidden, writes=width + hidden, work=60 * hidden),
        _stepped("input gradient", frames, (1, inputs, width)),
        _stepped("state gradient", frames, (1, hidden, width)),
    ]
    return Layer(
        name=name,
        kind="stepped_recurrent",
        inputs=(source,),
        output_shape=(frames, hidden),
        parameters=width * (inputs + hidden + 2),
        forward=tuple(passes),
        input_gradient=tuple(gradients),
        weight_gradient=(
            *_step_gradient("input weights", frames, inputs, width),
            *_step_gradient("state weights", frames, hidden, width),
            *_bias_gradient("first bias", frames, width),
            *_bias_gradient("second bias", frames, width),
        ),
        saved=(
            SavedActivation(name="input", elements=frames * inputs),
            SavedActivation(name="gates", elements=frames * width),
            SavedActivation(name="states", elements=2 * states),
        ),
        attributes={"cell": "lstm", "inputs": inputs, "hidden": hidden},
    )


def _stepped_projection(name: str, source: str, frames: int, *, inputs: int, outputs: int) -> Layer:
    """A linear layer that the loop calls for every frame; its bias is added within the product."""
    return Layer(
        name=name,
        kind="stepped_linear",
        inputs=(source,),
        output_shape=(frames, outputs),
        parameters=outputs * (inputs + 1),
        forward=(_stepped("product", frames, (1, outputs, inputs)),),
        input_gradient=(
            _stepped("input gradient", frames, (1, inputs, outputs)),
            _walk("sum of input gradients", frames, reads=2 * inputs, writes=inputs, work=inputs),
        ),
        weight_gradient=(
            *_step_gradient("weights", frames, inputs, outputs),
            *_bias_gradient("bias", frames, outputs),
        ),
        saved=(SavedActivation(name="input", elements=frames * inputs),),
    )


def _location_attention(name: str, source: str, frames: int, characters: int) -> Layer:
    """Additive attention that also sees where it has been (Chorowski et al. 2015): 32 filters of 31 taps."""
    units, filters, taps, width = 128, 32, 31, 512
    pairs, maps = characters * units, characters * filters
    parameters = 1024 * units + width * units + units + filters * 2 * taps + filters * units
    located = 2 * taps * 2 * maps
    passes = [
        _stepped("query product", frames, (1, units, 1024)),
        _walk("joined weights", frames, reads=2 * characters, writes=2 * characters),
        _walk("location filters", frames, reads=2 * characters, writes=maps, work=located),
        _walk("turned maps", frames, reads=maps, writes=maps),
        _stepped("location product", frames, (characters, units, filters)),
        _walk("sum with query", frames, reads=pairs, writes=pairs, work=pairs),
        _walk("sum with memory", frames, reads=2 * pairs, writes=pairs, work=pairs),
        _walk("tanh", frames, reads=pairs, writes=pairs, work=4 * pairs),
        _walk("energies", frames, reads=pairs, writes=characters, work=2 * pairs),
        _walk("mask", frames, reads=2 * characters, writes=characters),
        _walk("softmax", frames, reads=characters, writes=characters, work=5 * characters),
        _stepped("context", frames, (1, width, characters)),
        _walk("sum of weights", frames, reads=2 * characters, writes=characters, work=characters),
    ]
    memory = characters * width
    gradients = [
        _walk("sums of context gradients", frames, reads=4 * width, writes=2 * width, work=2 * width),
        _stepped("context gradient", frames, (1, characters, width)),
        _walk("memory gradient", frames, reads=width + characters, writes=memory, work=2 * memory),
        _walk("sum of memory gradients", frames, reads=2 * memory, writes=memory, work=memory),
        _walk("sums of weight gradients", frames, reads=4 * characters, writes=2 * characters),
        _walk("softmax gradient", frames, reads=2 * characters, writes=characters, work=3 * characters),
        _walk("energy gradient", frames, reads=characters, writes=pairs, work=pairs),
        _walk("tanh gradient", frames, reads=2 * pairs, writes=pairs, work=4 * pairs),
        _walk("query sums", frames, reads=pairs, writes=units, work=pairs),
        _walk("sum of encoder gradients", frames, reads=2 * pairs, writes=pairs, work=pairs),
        _stepped("location gradient", frames, (characters, filters, units)),
        _walk("turned gradients", frames, reads=maps, writes=maps),
        _walk("filter gradients", frames, reads=maps, writes=2 * characters, work=located),
        _walk("parted weights", frames, reads=2 * characters, writes=2 * characters),
        _stepped("query gradient", frames, (1, 1024, units)),
    ]
    return Layer(
        name=name,
        kind="location_attention",
        inputs=(source,),
        output_shape=(frames, 1024 + width),
        parameters=parameters,
        forward=tuple(passes),
        input_gradient=tuple(gradients),
        weight_gradient=(
            *_step_gradient("query weights", frames, 1024, units),
            _walk("energy weights", frames, reads=pairs + characters, writes=0, work=2 * pairs),
            _walk("location weights", frames, reads=pairs + maps, writes=0, work=2 * maps * units),
            _walk("filters", frames, reads=maps + 2 * characters, writes=0, work=located),
            *(_step_sum(f"sum of {what}", frames, count) for what, count in _SUMMED.items()),
        ),
        saved=(SavedActivation(name="pairs", elements=frames * pairs),),
    )


# Weights of the attention whose gradients a step adds up, beside those of the query.
_SUMMED = {"energy weights": 128, "location weights": 32 * 128, "filters": 2 * 31 * 32}


def _postnet(frames: int) -> Iterator[Layer]:
    """Five convolutions that correct the spectrogram, and the squared errors of both."""
    source, inputs = "input", MELS
    for number in range(1, 6):
        outputs = MELS if number == 5 else 512
        name = f"conv{number}"
        yield time_convolution(name, source, steps=frames, inputs=inputs, outputs=outputs, taps=5)
        layers = _normalised(
            name, name, steps=frames, features=outputs, function="" if number == 5 else "tanh"
        )
        yield from layers
        source, inputs = layers[-1].name, outputs
    yield sequence_addition("sum", source, "input", steps=frames, features=MELS)
    elements = frames * MELS
    yield Layer(
        name="loss",
        kind="loss",
        inputs=("sum",),
        output_shape=(1,),
        forward=(pointwise("squared errors", elements, split=WHOLE, inputs=3, work=6),),
        input_gradient=(pointwise("error gradients", elements, split=WHOLE, inputs=3, work=4),),
    )


def _stepped(name: str, steps: int, extents: tuple[int, int, int]) -> Operator:
    rows, columns, depth = extents
    return Operator(
        name=name,
        kind=OperatorKind.MATMUL,
        flops=2 * rows * columns * depth * steps,
        reads=rows * depth * steps,
        writes=rows * columns * steps,
        weights=columns * depth,
        shape=MatmulShape(rows=rows, columns=columns, depth=depth),
        steps=steps,
    )


def _step_gradient(what: str, steps: int, depth: int, width: int) -> tuple[Operator, Operator]:
    """What every step gives of a weight's gradient, a product as deep as the batch, and its sum."""
    product = Operator(
        name=what,
        kind=OperatorKind.MATMUL,
        flops=2 * steps * depth * width,
        reads=steps * (depth + width),
        weights=depth * width,
        shape=MatmulShape(rows=depth, columns=width, depth=1, batch_axis="depth"),
        steps=steps,
    )
    return product, _step_sum(f"sum of {what}", steps, depth * width)


def _bias_gradient(what: str, steps: int, width: int) -> tuple[Operator, Operator]:
    """A step's gradient of a bias, summed over the batch, and its sum with those of the steps behind it."""
    return _walk(what, steps, reads=width, writes=0, work=width), _step_sum(f"sum of {what}", steps, width)


def _step_sum(name: str, steps: int, weights: int) -> Operator:
    """Adding a step's gradient of a weight to those of the steps behind it."""
    return Operator(name=name, kind=OperatorKind.ELEMENTWISE, flops=0, weights=3 * weights, steps=steps)


def _walk(name: str, steps: int, *, reads: int, writes: int, work: int = 0) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.ELEMENTWISE,
        flops=work * steps,
        reads=reads * steps,
        writes=writes * steps,
        steps=steps,
    )


NETWORKS: dict[str, Callable[..., Network]] = {
    "tacotron2": build_tacotron2,
}
