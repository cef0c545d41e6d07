"""A training step: from a strategy to its costs, and from these to a program and its report."""
