"""What `import simdl` offers: the commands as functions with results to work with."""
