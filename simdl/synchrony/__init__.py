"""Training over many steps whose workers need not wait for each other; each scheme is one file."""
