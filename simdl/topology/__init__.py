"""Topologies: the graph of a level's wiring, routes on it, and what groups of ranks find there."""
