"""Networks that name every pixel or voxel."""
