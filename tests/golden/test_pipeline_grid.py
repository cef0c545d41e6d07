from pathlib import Path

import pytest
from grid import format_grid

from simdl.pipelines import pipeline, pipeline_order

STORED = Path(__file__).parent / "pipeline_grids"
CASES = [
    ("gpipe", 4, 6, 1),
    ("1f1b", 4, 6, 1),
    ("interleaved-1f1b", 4, 8, 2),
    ("breadth-first", 4, 8, 4),
    ("zb-h1", 4, 8, 1),
    ("zb-h2", 4, 8, 1),
    ("zb-v", 4, 8, 2),
    ("dualpipe", 8, 20, 1),
    ("pipedream", 4, 6, 1),
]


@pytest.mark.golden
@pytest.mark.parametrize(("name", "ranks", "microbatches", "virtual"), CASES)
def test_grid_is_the_stored_one(name, ranks, microbatches, virtual):
    stored = STORED / f"{name}-{ranks}x{microbatches}x{virtual}.txt"
    grid = format_grid(pipeline_order(name, ranks, microbatches, virtual), copies=pipeline(name).copies)
    assert grid + "\n" == stored.read_text(encoding="utf-8")
