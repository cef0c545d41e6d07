"""Cross-entropy over the vocabulary, in FP32, divided over tensor-parallel ranks by vocabulary.

Keeps the FP32 softmax, 4 s v bytes a sequence (Korthikanti et al. 2022, arXiv:2205.05198, section 4.3). The
kernels are those of an unfused framework, with the casts between FP32 and the activations' format; a fused
loss runs each pass as one kernel.
"""

from workloads.layer import Layer, SavedActivation
from workloads.layers.pointwise import pointwise
from workloads.layers.tokens.feedforward import ACTIVATIONS
from workloads.operators import Operator, OperatorKind, Split

FUSION = "cross_entropy"


def token_loss(name: str, source: str, *, tokens: int, vocab: int) -> Layer:
    """Mean cross-entropy of ``tokens`` predictions over ``vocab`` entries."""
    elements = tokens * vocab
    return Layer(
        name=name,
        kind="loss",
        inputs=(source,),
        output_shape=(1,),
        forward=(
            _operator("upcast", OperatorKind.ELEMENTWISE, elements, work=0),
            _operator("softmax", OperatorKind.SOFTMAX, elements, work=5, chained=elements),
        ),
        input_gradient=_backward(elements),
        saved=(SavedActivation(name="softmax", elements=elements, split=Split.COLUMN, element_size=4),),
    )


def logit_cap(name: str, source: str, *, tokens: int, vocab: int, cap: float) -> Layer:
    """Squeezes logits into +- cap by cap x tanh(logit / cap) (Gemma 2, arXiv:2408.00118, section 2)."""
    elements, split, work = tokens * vocab, Split.COLUMN, ACTIVATIONS["tanh"]
    return Layer(
        name=name,
        kind="activation",
        inputs=(source,),
        output_shape=(tokens, vocab),
        parameter_split=split,
        forward=(pointwise("cap", elements, split=split, work=work),),
        input_gradient=(pointwise("cap gradient", elements, split=split, inputs=2, work=2 * work),),
        saved=(SavedActivation(name="input", elements=elements, split=split),),
        attributes={"function": "tanh", "cap": cap},
    )


def _backward(elements: int) -> tuple[Operator, ...]:
    """Clear and scatter the target's gradient, softmax backward, cast to the activations' format."""
    return (
        _operator("target gradient", OperatorKind.ELEMENTWISE, elements, work=0, inputs=0),
        _operator("softmax gradient", OperatorKind.SOFTMAX, elements, work=3, inputs=2, chained=elements),
        _operator("downcast", OperatorKind.ELEMENTWISE, elements, work=0, chained=elements),
    )


def _operator(
    name: str, kind: OperatorKind, elements: int, *, work: int, inputs: int = 1, chained: int = 0
) -> Operator:
    return Operator(
        name=name,
        kind=kind,
        flops=work * elements,
        reads=inputs * elements,
        writes=elements,
        split=Split.COLUMN,
        fusion=FUSION,
        chained=chained,
        element_size=4,
    )
