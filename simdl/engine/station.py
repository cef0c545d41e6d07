"""Station: a resource that serves one job at a time, in the order in which jobs come: a port, a server.

Jobs are reserved at the moment at which they reach the station, so that no event is spent on waiting: the
station knows when it will be free. Reservations therefore have to be made in the order of time, which events
guarantee.
"""


class Station:
    """A first-come, first-served resource while a program runs.

    Attributes:
        name: for reports.
        free: [s] from the start, when the last reserved job ends.
        busy: [s] of all reserved jobs.
        waited: [s] that jobs waited for their turn, all together.
        jobs: reserved.
        nbytes: [bytes] of all jobs.
    """

    __slots__ = ("busy", "free", "jobs", "name", "nbytes", "waited")

    def __init__(self, name: str) -> None:
        self.name = name
        self.free = 0.0
        self.busy = 0.0
        self.waited = 0.0
        self.jobs = 0
        self.nbytes = 0.0

    def reserve(self, now: float, seconds: float, nbytes: float = 0.0) -> float:
        """Take the next turn; when it begins [s].

        Args:
            now: [s] at which the job reaches the station.
            seconds: that it is served.
            nbytes: [bytes] of its message.
        """
        free = self.free
        start = now if now > free else free  # noqa: FURB136 - a third of the time of max
        self.free = start + seconds
        self.busy += seconds
        self.waited += start - now
        self.jobs += 1
        self.nbytes += nbytes
        return start
