"""Collectives over links of a known rate between network namespaces, timed and compared with the model."""
