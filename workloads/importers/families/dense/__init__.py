"""Decoders whose layers are alike, and their close kin with experts."""
