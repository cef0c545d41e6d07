"""Tables of measured kernels against the cost model."""
