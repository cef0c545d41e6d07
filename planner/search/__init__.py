"""Search: ranked strategies, cuts into stages, scaling, and why one is faster than another."""
