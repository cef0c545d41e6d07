"""The space of strategies, priced as arrays."""
