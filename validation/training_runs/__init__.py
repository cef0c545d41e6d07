"""Published training runs against their predictions: errors, ranking and memory."""
