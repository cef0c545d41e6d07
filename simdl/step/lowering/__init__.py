"""From a priced step to a program: passes in segments, transfers, the host, the input pipeline, folding."""
