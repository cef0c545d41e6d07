"""Layouts: which part of an activation tensor each rank holds.

Ranks are numbered so that ``inner`` neighbours hold parts, or copies, of the same samples; blocks of
``inner`` ranks hold different samples (the distributions of Dryden et al. 2019, IPDPS, section III).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Layout:
    """Degrees by which an activation (samples, channels, height, width) is divided or copied.

    Attributes:
        sample: groups of ranks that hold different samples.
        channel, height, width: parts of each sample.
        copies: ranks that hold the same part.
    """

    sample: int
    channel: int = 1
    height: int = 1
    width: int = 1
    copies: int = 1

    @property
    def parts(self) -> int:
        """Parts of one sample."""
        return self.channel * self.height * self.width

    @property
    def inner(self) -> int:
        """Neighbouring ranks that hold the same samples."""
        return self.parts * self.copies

    @property
    def ranks(self) -> int:
        """Ranks in all."""
        return self.sample * self.inner

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether a (channels, [depth,] height, width) or (features,) tensor has enough of each extent."""
        extents = (shape[0], *(1, 1, *shape[1:])[-2:])
        degrees = (self.channel, self.height, self.width)
        return all(degree <= extent for degree, extent in zip(degrees, extents, strict=True))
