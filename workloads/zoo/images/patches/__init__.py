"""Networks that cut an image into patches and treat them as tokens."""
