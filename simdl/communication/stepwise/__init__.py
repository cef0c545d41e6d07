"""Collectives step by step: every message of an algorithm as an event on the links of a topology.

The closed forms of :mod:`simdl.communication` are the same algorithms folded; on a uniform network
both agree.
"""
