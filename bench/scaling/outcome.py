"""The outcome of one simulated run, and the figures computed from it. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.tables import percentile

# The price of waiting: a dollar for 1000 job-minutes is 6 cents an hour of one job, a third of an RTX 3080's price.
DOLLARS_PER_JOB_MINUTE = 1.0 / 1000


@dataclass(frozen=True)
class Sample:
    """The fleet after one tick. at: seconds; replicas, running: of the scaled groups."""

    at: float
    pending: int
    replicas: int
    running: int


@dataclass(frozen=True)
class Outcome:
    """The outcome of one run.

    waits: seconds from arrival to the start of the run that counted; completions: seconds from arrival to the end. For
    an open job both last until the end of the trace, so that waiting jobs always count. Dollars, billed and busy
    seconds are those of the scaled groups: always-on replicas cost the same under every rule.
    """

    waits: Sequence[float]
    completions: Sequence[float]
    finished: int
    lost: int
    dollars: float
    billed_sec: float
    busy_sec: float
    churn: int
    killed: int
    interrupted: int
    samples: Sequence[Sample] = ()

    @property
    def jobs(self) -> int:
        """The number of jobs that arrived."""
        return len(self.waits)

    @property
    def open(self) -> int:
        """The number of jobs that are neither finished nor lost at the end."""
        return self.jobs - self.finished - self.lost

    def wait_min(self, share: float) -> float:
        """Returns the wait in minutes that this share of the jobs did not exceed; 0 without jobs."""
        return percentile(self.waits, share) / 60 if self.waits else 0.0

    @property
    def dollars_per_1000(self) -> float:
        """Dollars of scaling for 1000 finished jobs; 0 without any."""
        return 1000 * self.dollars / self.finished if self.finished else 0.0

    @property
    def idle_share(self) -> float:
        """The share of the billed seconds in which no job ran."""
        return 1 - self.busy_sec / self.billed_sec if self.billed_sec else 0.0

    @property
    def score(self) -> float:
        """J: scaling dollars for 1000 jobs plus the price of their minutes until the video was ready."""
        if not self.waits:
            return 0.0
        minutes = sum(self.completions) / 60 / self.jobs
        return 1000 * (self.dollars / self.jobs + DOLLARS_PER_JOB_MINUTE * minutes)
