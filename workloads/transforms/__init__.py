"""Transforms: networks made smaller or cheaper, one file per way to do it."""
