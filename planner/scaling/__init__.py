"""Scaling: what more devices gain, and what fewer could do."""
