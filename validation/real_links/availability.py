"""Whether shaped links can be set up here, and why not."""

import os
import shutil
import sys

from validation.errors import RealLinksError
from validation.real_links.namespaces import star

TOOLS = ("ip", "tc")


def reason_unavailable(*, rate: float, delay: float = 0.0) -> str | None:
    """Why no links of this rate [bytes/s] and delay [s] can be set up, or None; tries a link for a moment."""
    if not sys.platform.startswith("linux"):
        return f"network namespaces are a feature of Linux; this is {sys.platform}"
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"not on the PATH: {' and '.join(missing)} (package iproute2)"
    if os.geteuid() != 0:
        return f"only root may set up network namespaces; this is user {os.geteuid()}"
    try:
        with star(1, rate=rate, delay=delay):
            return None
    except RealLinksError as refusal:
        return f"this machine refuses links in namespaces: {refusal}"
