"""Networks that find the objects of an image."""
