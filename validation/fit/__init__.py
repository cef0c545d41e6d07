"""Fits of hardware profiles on published kernel tables."""
