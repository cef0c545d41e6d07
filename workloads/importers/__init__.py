"""Networks from the files of other tools."""
