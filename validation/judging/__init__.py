"""What the rooms that judge predictions share: how errors are scored, and how pages show them."""
