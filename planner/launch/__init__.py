"""Launch files: what runs a strategy in the frameworks that people train with, and such files read back."""
