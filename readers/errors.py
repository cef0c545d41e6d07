"""The error of a file that cannot be taken in.

InputError (ValueError)   says which file, what was found and what would be accepted
"""


class InputError(ValueError):
    """A file cannot be read, is too large, or is not of the format that it should have."""
