"""One scheme of consistency per file."""
