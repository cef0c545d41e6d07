"""Options of commands and what they are turned into."""
