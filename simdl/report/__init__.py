"""What a timeline says: causes, critical path, operators, messages, traces."""
