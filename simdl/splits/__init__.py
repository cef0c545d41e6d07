"""Ways to split one layer over a group of ranks, one a file, and what each makes a rank compute and send."""

from simdl.splits.layout import Layout
from simdl.splits.registry import SPLITS, Choice, enumerate_choices
from simdl.splits.site import Divided, Message, Phase, Site

__all__ = ["SPLITS", "Choice", "Divided", "Layout", "Message", "Phase", "Site", "enumerate_choices"]
