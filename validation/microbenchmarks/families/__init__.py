"""Families of cases, one a file: which shapes and sizes are measured.

Every third shape or size is held out: it is measured like the others and predicted by the fit without it.
"""
