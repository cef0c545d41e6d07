"""Networks of full convolutions that name or measure what they see."""
