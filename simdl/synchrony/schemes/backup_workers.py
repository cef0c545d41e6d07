"""Backup workers: more workers than gradients of an update; the last ones of every step are not waited for.

Of N' workers the first N gradients make the update. The others give up what they have begun and start the
next step with everyone (Chen, Pan, Monga, Bengio, Jozefowicz 2016, arXiv:1604.00981, section 3).
"""

from simdl.synchrony.scheme import Scheme
from simdl.synchrony.schemes.synchronous import begin_step
from simdl.synchrony.training import Training


def start(training: Training) -> None:
    """Begin the first step."""
    begin_step(training, 0, training.setting.needed)


SCHEME = Scheme(
    name="backup-workers",
    description="spare workers; an update takes the first N gradients of N'",
    start=start,
    staleness="steps",
    options=("spare",),
    collective=True,
    source="Chen et al. 2016, arXiv:1604.00981",
    aliases=("backup", "spare", "spare-workers"),
)
