"""How predictions carry over to what no number was fitted on: blind records, and refits that leave groups out."""
