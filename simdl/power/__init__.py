"""Power: what devices and their hosts draw, by how much they are used."""
