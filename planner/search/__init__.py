"""Search: ranked strategies for a question, and what choosing among them is expected to cost."""
