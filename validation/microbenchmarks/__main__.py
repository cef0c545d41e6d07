"""``python -m validation.microbenchmarks --out DIR``: measure one setting and keep the rows.

Needs nothing but the standard library, NumPy and the backend's own library.
"""

import argparse
import sys
from pathlib import Path

from validation.errors import MeasurementError
from validation.microbenchmarks.host_process import keep_freed_memory
from validation.microbenchmarks.lifeline import end_with
from validation.microbenchmarks.session import Order, measure


def main() -> int:
    """Measure; exit status 2 for bad input, 130 when interrupted."""
    options = _options()
    keep_freed_memory()
    if options.end_with_input:
        end_with(sys.stdin.buffer)
    try:
        measure(
            Order(
                out=options.out,
                device=options.device,
                backend=options.backend,
                processes=options.processes,
                quick=options.quick,
                seconds=options.seconds,
            )
        )
    except MeasurementError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; the same command goes on from here.\n")
        return 130
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m validation.microbenchmarks", description="Measure kernels, copies and collectives."
    )
    parser.add_argument("--out", type=Path, required=True, help="directory of the measurements")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N [auto]")
    parser.add_argument("--backend", default="", help="numpy, cupy or torch [numpy on cpu, cupy on cuda]")
    parser.add_argument("--processes", type=int, default=1, help="processes sharing the processor [1]")
    parser.add_argument("--quick", action="store_true", help="fewer cases and samples")
    parser.add_argument("--seconds", type=float, help="after which no further round is begun")
    parser.add_argument(
        "--end-with-input",
        action="store_true",
        help="end when standard input does, with whoever started this",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
