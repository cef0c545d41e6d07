"""Programs: what the ranks of one training step do, between the strategy that asks and the engine that runs."""
