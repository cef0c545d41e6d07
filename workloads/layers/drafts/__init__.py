"""How a network's layers are put together: chains, fusion, and where gradients go."""
