"""Independent questions spread over worker processes, of this machine or of a Dask cluster."""
