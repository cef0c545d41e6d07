"""Remedies: what to choose or change so that a strategy can be carried out."""
