"""A measured trace beside the simulated step."""
