"""Products of formats whose blocks have a scale: the scales lie apart and align nothing."""

import pytest

from hardware.profiles import load_device
from simdl.kernels.costs.matmul import matmul_time
from simdl.kernels.kernel import Product


@pytest.mark.theory
@pytest.mark.parametrize(("depth", "count"), [(768, 16), (2048, 16), (4096, 1), (544, 8)])
def test_scales_do_not_misalign_rows(depth, count):
    """An expert's 768 features are 48 times 16 bytes in FP8, whatever is scaled."""
    device = load_device("gb200")
    product = Product(m=8192, n=2048, k=depth, count=count)
    plain, scaled = (matmul_time(product, device, dtype) for dtype in ("fp8", "mxfp8"))
    assert plain <= scaled < 1.1 * plain
