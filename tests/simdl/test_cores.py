"""Cores of a process are those that its container leaves it."""

import pytest

from simdl.cores import usable_cores


@pytest.mark.theory
@pytest.mark.parametrize(
    ("said", "cores"),
    [
        ("max 100000\n", None),
        ("50000 100000\n", 1),
        ("199999 100000\n", 1),
        ("99999900000 100000\n", None),
        ("", None),
    ],
)
def test_a_container_s_share_of_processor_time_limits_the_cores(tmp_path, said, cores):
    """Half a core and nearly two are one; more than there are, none told and no file all of them."""
    path = tmp_path / "cpu.max"
    path.write_text(said, encoding="ascii")
    unlimited = usable_cores(tmp_path / "absent")
    assert usable_cores(path) == (cores or unlimited)
