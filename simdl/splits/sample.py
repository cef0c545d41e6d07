"""Sample parallelism: every rank works on whole samples; gradients are added up over all ranks.

The only communication is the all-reduce of the weight gradient (Dryden et al. 2019, IPDPS, section III-A).
"""

from simdl.communication import Group
from simdl.splits.layout import Layout
from simdl.splits.site import Divided, Site, local_samples


def divide(site: Site, ranks: int, _grid: tuple[int, ...]) -> Divided:
    """The layer on ``batch / ranks`` samples."""
    layout = Layout(ranks)
    return Divided(
        layer=site.layer,
        samples=local_samples(site.batch, layout),
        source=layout,
        output=layout,
        replicas=Group(size=ranks),
    )
