"""The command line: options, tables, JSON, messages and exit statuses."""
