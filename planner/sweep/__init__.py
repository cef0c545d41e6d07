"""Sweeps: thousands of questions from one grid, spread over processes, each answered once."""
