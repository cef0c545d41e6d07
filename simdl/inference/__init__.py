"""Use of a network: forward passes alone, generation token by token, and the energy of both."""
