"""Cuts: where a strategy's stages begin and end, by a dynamic programme or an integer one."""
