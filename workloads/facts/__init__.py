"""Facts: number formats, optimizers and data sets, one TOML table each, with the source of every entry."""
