"""Networks that look at images and volumes."""
