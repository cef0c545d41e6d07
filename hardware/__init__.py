"""Hardware: devices, links and clusters, every number with its source.

A leaf package: it imports neither workloads nor the simulator.
"""
