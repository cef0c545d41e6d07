"""Programs: what the ranks of one training step do, between the strategy and the engine that runs it."""
