"""Runs programs as discrete events."""
