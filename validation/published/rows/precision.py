"""The precision of a published row: text such as ``amp_bf16`` or ``MXFP8`` to a registered number format."""

import re
from functools import cache

from validation.errors import RowSkippedError
from workloads.dtypes import Precision, load_precision

# First match wins: mixed texts such as "float8 (...) + bf16" train their products in the first format.
_PRECISIONS = (
    (r"mxfp4|int8", ""),
    (r"nvfp4|fp4", "nvfp4"),
    (r"mxfp8|fp8[-_]mx|alt granularity", "mxfp8"),
    (r"float8.*rowwise", "fp8-rowwise"),
    (r"float8.*tensorwise", "fp8-tensorwise"),
    (r"fp8|float8", "fp8"),
    (r"bf16-pure", "bf16-pure"),
    (r"bf16|bfloat16", "bf16"),
    (r"fp16|float16|half|mixed|\bamp(?!ere)|\bo[12]\b", "fp16"),
    (r"tf32", "tf32"),
    (r"fp32|float32|single", "fp32"),
)


@cache
def row_precision(text: str, default: str) -> Precision:
    """The precision a cell names, or the default where it is blank.

    Raises:
        RowSkippedError: a format the simulator does not model, or an unknown text.
    """
    if not text:
        return load_precision(default)
    lowered = text.lower()  # "fp16/bf16 mixed" is read as BF16: same rate, 18 bytes a parameter
    for pattern, name in _PRECISIONS:
        if re.search(pattern, lowered):
            if name:
                return load_precision(name)
            break
    raise RowSkippedError(f"precision {text!r} is not modelled")
