"""Reading of files that people hand in: how much is taken in, and what is wrong with one, in one message."""
