"""Collective communication: algorithms as closed forms, and the choice a library makes between them."""
