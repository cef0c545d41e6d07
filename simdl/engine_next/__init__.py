"""The engine: runs a program as discrete events in SimPy and returns its timeline.

It knows classes, streams, channels, tasks and their seconds only, never what they stand for.
"""
