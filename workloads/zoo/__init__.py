"""Published networks, one family a file; each file exports NETWORKS, names to builders."""
