"""How predictions carry over to what no number was fitted on: blind records, refits without groups."""
