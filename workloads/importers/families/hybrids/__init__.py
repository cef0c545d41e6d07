"""Decoders some of whose layers carry a state in place of attention."""
