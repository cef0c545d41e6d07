"""Workloads: networks as graphs of layers at kernel granularity, optimizers and number formats.

A leaf package: it imports neither hardware nor the simulator.
"""
