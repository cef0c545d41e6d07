"""Reasons: why a plan is the best, why one is faster than another, what bounds a step."""
