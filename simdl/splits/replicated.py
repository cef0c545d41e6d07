"""Replication: neighbours do the same work on the same samples.

What small layers behind a split are left with: nothing to send, nothing gained. Neighbours compute the same
weight gradient, so it is added up over the sample groups alone.
"""

from simdl.communication import Group
from simdl.splits.layout import Layout
from simdl.splits.site import Divided, Site, local_samples


def divide(site: Site, ranks: int, grid: tuple[int, ...]) -> Divided:
    """The layer on ``batch x copies / ranks`` samples, ``grid[0]`` copies."""
    copies = grid[0]
    layout = Layout(ranks // copies, copies=copies)
    return Divided(
        layer=site.layer,
        samples=local_samples(site.batch, layout),
        source=layout,
        output=layout,
        replicas=Group(size=ranks // copies, stride=copies),
    )
