"""Cross-entropy over the vocabulary, in FP32, divided over tensor-parallel ranks by vocabulary.

Keeps the FP32 softmax, 4 s v bytes a sequence (Korthikanti et al. 2022, arXiv:2205.05198, section 4.3).
"""

from workloads.layer import Layer, SavedActivation
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
            _operator("upcast", OperatorKind.ELEMENTWISE, elements, work=0, fusion=FUSION),
            _operator("softmax", OperatorKind.SOFTMAX, elements, work=5, fusion=FUSION, chained=elements),
        ),
        input_gradient=(_operator("logits gradient", OperatorKind.ELEMENTWISE, elements, work=2),),
        saved=(SavedActivation(name="softmax", elements=elements, split=Split.COLUMN, element_size=4),),
    )


def _operator(
    name: str, kind: OperatorKind, elements: int, *, work: int, fusion: str = "", chained: int = 0
) -> Operator:
    return Operator(
        name=name,
        kind=kind,
        flops=work * elements,
        reads=elements,
        writes=elements,
        split=Split.COLUMN,
        fusion=fusion,
        chained=chained,
        element_size=4,
    )
