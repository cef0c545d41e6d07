"""Seconds that residuals of a stack make up of a step."""

from dataclasses import replace

import pytest

from simdl.report.residuals import residual_seconds, residual_text
from simdl.software.reader import load_stack

PLAIN = replace(load_stack("pytorch-eager"), convolution_speed=1.0, streaming_speed=1.0, reduction_speed=1.0)
BREAKDOWN = {"forward": 2.0, "backward": 4.0, "data_communication": 1.0, "overhead": 0.5, "launch": 0.5}
KERNELS = {"convolution": 3.0, "matmul": 1.0, "elementwise": 2.0}


def test_what_is_counted_alone_leaves_only_overheads():
    assert residual_seconds(BREAKDOWN, KERNELS, PLAIN) == {"overhead": 0.5}
    assert residual_seconds({"forward": 1.0}, {"matmul": 1.0}, PLAIN) == {}


@pytest.mark.theory
@pytest.mark.parametrize(
    ("field", "speed", "seconds"),
    [("streaming_speed", 0.8, 0.4), ("convolution_speed", 1.2, -0.6), ("reduction_speed", 0.5, 0.5)],
)
def test_a_speed_makes_up_what_its_kernels_would_be_shorter_without_it(field, speed, seconds):
    found = residual_seconds(BREAKDOWN, KERNELS, replace(PLAIN, **{field: speed}))
    assert found == {field: pytest.approx(seconds), "overhead": 0.5}


def test_they_are_told_as_shares_of_the_step():
    told = residual_text(
        {"residuals": {"streaming_speed": 0.4, "overhead": 0.5, "reduction_speed": 1e-4}}, 10
    )
    assert told == "residuals 9% of the step (streaming_speed 4%, overhead 5%)"
    assert residual_text({}, 1.0) == "residuals 0% of the step"
