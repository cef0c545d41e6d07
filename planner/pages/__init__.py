"""Report pages that need no network."""
