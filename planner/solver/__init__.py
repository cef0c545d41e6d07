"""Integer programs as data, and the one solver."""
