"""Memory of one rank, by lifetime."""
