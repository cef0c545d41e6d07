"""The buffer of an all-reduce and its bytes."""

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]


def bytes_of(values: Values) -> memoryview:
    """The bytes of contiguous values, without a copy; empty for no values.

    >>> len(bytes_of(np.zeros(3, np.float32)))
    12
    """
    return values.data.cast("B") if values.size else memoryview(bytearray())
