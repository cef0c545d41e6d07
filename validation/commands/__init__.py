"""Sub-commands of ``simdl validate``, one a file."""
