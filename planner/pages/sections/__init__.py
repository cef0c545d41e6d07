"""Report pages of the commands: which figures answer which question. Imported only when a page is wanted."""
