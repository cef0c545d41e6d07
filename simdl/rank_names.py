"""How ranks are called in the names of links, ports and memories."""


def name_ranks(first: int, count: int) -> str:
    """Some ranks that follow one another.

    Example:
        >>> name_ranks(8, 8), name_ranks(3, 1)
        ('ranks 8 to 15', 'rank 3')
    """
    return f"rank {first}" if count == 1 else f"ranks {first} to {first + count - 1}"
