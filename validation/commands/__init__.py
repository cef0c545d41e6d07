"""Commands of the validation package, one file a sub-command of ``simdl validate``."""
