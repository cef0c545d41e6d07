"""What the rows of published training tables say: one module for each thing a row names."""
