"""What to choose: the space of strategies, its bounds, the search and the commands of `simdl`."""
