"""WaveGlow: from spectrograms to sound by invertible steps.

Prenger et al. 2018 (arXiv:1811.00002), with the dimensions of NVIDIA's DeepLearningExamples and the kernels
that its program asks for (PyTorch/SpeechSynthesis/Tacotron2/waveglow/model.py @729963d): a condition of its
own for every layer, of a spectrogram that each of them lays out anew; gates whose halves are slices, which no
compiler joins; and two slices of what a layer puts out, whose gradients are each filled with zeros around
what they hold and then added up. A sample is 8,000 samples of sound, the segment it is trained on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, replicated_projection
from workloads.layers.tokens.sequence import sequence_addition
from workloads.network import Block, Network
from workloads.operators import Operator, OperatorKind, Split
from workloads.zoo.speech import MELS, time_convolution

WAVEGLOW = (
    "Prenger et al. 2018 (arXiv:1811.00002); NVIDIA DeepLearningExamples, PyTorch/SpeechSynthesis/Tacotron2"
)
WHOLE = Split.REPLICATED
TAPS, STRIDE = 1024, 256  # of the transposed convolution that brings frames to the rate of the sound


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowConfig:
    """Dimensions of a WaveGlow.

    Attributes:
        flows: of coupling layers.
        channels: of the networks within them.
        layers: of each of these.
        group: samples of sound that are one step.
        early: flows after which ``early_size`` channels leave.
        early_size: channels that leave.
    """

    flows: int = 12
    channels: int = 512
    layers: int = 8
    group: int = 8
    early: int = 4
    early_size: int = 2


def build_waveglow(*, config: FlowConfig | None = None, tokens: int | None = None) -> Network:
    """WaveGlow; ``tokens`` are samples of sound."""
    size = config or FlowConfig()
    samples = 8000 if tokens is None else tokens
    steps = max(1, samples // size.group)
    condition = steps * MELS * size.group
    blocks = [
        Block(
            name="upsample",
            layers=(_upsample(size, samples, steps),),
            recomputable=False,
            carried=steps * size.group,
        )
    ]
    remaining = size.group
    for number in range(size.flows):
        if number and number % size.early == 0:
            remaining -= size.early_size
        layers = tuple(_flow(size, steps, remaining))
        blocks.append(Block(name=f"flow{number + 1}", layers=layers, carried=condition))
    elements = steps * size.group
    loss = Layer(
        name="loss",
        kind="loss",
        inputs=("input",),
        output_shape=(1,),
        forward=(pointwise("likelihood", elements, split=WHOLE, inputs=2, work=4),),
        input_gradient=(pointwise("likelihood gradient", elements, split=WHOLE, inputs=2, work=2),),
    )
    blocks.append(Block(name="head", layers=(loss,), recomputable=False))
    return Network(name="waveglow", blocks=tuple(blocks), source=WAVEGLOW, sample="sequence", tokens=samples)


def _upsample(size: FlowConfig, samples: int, steps: int) -> Layer:
    """Frames to the rate of the sound: every frame's product with the filters that reach it."""
    product = Projection(tokens=samples // STRIDE + 1, inputs=MELS * TAPS // STRIDE, outputs=MELS * STRIDE)
    return replace(
        replicated_projection("upsample", "input", product, bias=True),
        parameters=MELS * MELS * TAPS + MELS,
        output_shape=(steps, MELS * size.group),
        input_gradient=(),
    )


def _flow(size: FlowConfig, steps: int, channels: int) -> Iterator[Layer]:
    """An invertible mixing of channels and a coupling by a network of dilated convolutions."""
    width, half = size.channels, channels // 2
    mixing = Projection(tokens=steps, inputs=channels, outputs=channels)
    yield replicated_projection("mix", "input", mixing)
    yield _weighed("start", "mix", steps, half, width)
    source = "start"
    for number in range(1, size.layers + 1):
        last = number == size.layers
        yield _weighed(f"in{number}", source, steps, width, 2 * width, taps=3)
        yield _condition(f"condition{number}", steps, MELS * size.group, 2 * width)
        gate = _gate(f"gate{number}", f"in{number}", steps, width)
        yield gate
        out = _weighed(f"out{number}", gate.name, steps, width, width if last else 2 * width)
        yield out
        if not last:
            yield _parted(f"parts{number}", out.name, steps * width, (steps, width))
            yield sequence_addition(f"sum{number}", f"parts{number}", source, steps=steps, features=width)
            source = f"sum{number}"
        if number > 1:
            before = f"skip{number - 1}" if number > 2 else "parts1"
            after = out.name if last else f"parts{number}"
            yield sequence_addition(f"skip{number}", after, before, steps=steps, features=width)
    end = Projection(tokens=steps, inputs=width, outputs=2 * half)
    yield replicated_projection("end", f"skip{size.layers}" if size.layers > 1 else "out1", end, bias=True)
    elements = steps * half
    yield Layer(
        name="couple",
        kind="coupling",
        inputs=("end", "mix"),
        output_shape=(steps, channels),
        forward=(pointwise("couple", elements, split=WHOLE, inputs=3, work=6),),
        input_gradient=(pointwise("couple gradient", elements, split=WHOLE, inputs=4, work=8),),
        saved=(SavedActivation(name="scales", elements=2 * elements),),
    )


def _weighed(name: str, source: str, steps: int, inputs: int, outputs: int, *, taps: int = 1) -> Layer:
    """A convolution with a bias and normalised weights: one length per output (Salimans and Kingma 2016)."""
    layer = time_convolution(name, source, steps=steps, inputs=inputs, outputs=outputs, taps=taps)
    return replace(layer, parameters=layer.parameters + outputs)


def _condition(name: str, steps: int, inputs: int, outputs: int) -> Layer:
    """A layer's view of the spectrogram, whose features lie innermost: copied here and for both gradients.

    Its gradient is added to those of the layers behind it.
    """
    layer = _weighed(name, "input", steps, inputs, outputs)
    elements = steps * inputs
    return replace(
        layer,
        forward=(_moved("contiguous", elements, elements), *layer.forward),
        input_gradient=(*layer.input_gradient, _moved("sum of gradients", 2 * elements, elements)),
        weight_gradient=(_moved("contiguous", elements, elements), *layer.weight_gradient),
    )


def _gate(name: str, source: str, steps: int, width: int) -> Layer:
    """Tanh of one half times the sigmoid of the other of a sum: a kernel for the sum, both and their product.

    Backward: two products, two functions, and the gradients of two slices.
    """
    elements = steps * width
    return Layer(
        name=name,
        kind="activation",
        inputs=(source,),
        output_shape=(steps, width),
        forward=(
            _moved("sum", 4 * elements, 2 * elements),
            _moved("tanh", elements, elements, work=4 * elements),
            _moved("sigmoid", elements, elements, work=4 * elements),
            _moved("gate", 2 * elements, elements),
        ),
        input_gradient=(
            _moved("gate gradients", 4 * elements, 2 * elements),
            _moved("function gradients", 4 * elements, 2 * elements, work=4 * elements),
            *_slice_gradients(elements),
        ),
        saved=(SavedActivation(name="halves", elements=2 * elements),),
    )


def _parted(name: str, source: str, elements: int, shape: tuple[int, int]) -> Layer:
    """Two slices of what a layer puts out: views, until their gradients are put together."""
    return Layer(
        name=name,
        kind="slices",
        inputs=(source,),
        output_shape=shape,
        input_gradient=_slice_gradients(elements),
    )


def _slice_gradients(elements: int) -> tuple[Operator, ...]:
    """Gradients of two slices of ``elements`` each: zeros of both, a copy into each, and their sum."""
    return (
        _moved("zeros", 0, 4 * elements),
        _moved("copies", 2 * elements, 2 * elements),
        _moved("sum of slices", 4 * elements, 2 * elements),
    )


def _moved(name: str, reads: int, writes: int, *, work: int = 0) -> Operator:
    return Operator(
        name=name,
        kind=OperatorKind.ELEMENTWISE,
        flops=work or writes,
        reads=reads,
        writes=writes,
        split=WHOLE,
    )


NETWORKS: dict[str, Callable[..., Network]] = {"waveglow": build_waveglow}
