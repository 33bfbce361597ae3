"""What one simulated run gave, and the figures that are read off it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.tables import percentile

# The price of waiting: a dollar for 1000 job-minutes is 6 cents an hour of one job, a third of an RTX 3080's price.
DOLLARS_PER_JOB_MINUTE = 1.0 / 1000


@dataclass(frozen=True)
class Sample:
    """The fleet after one tick: seconds, jobs pending, replicas of the scaled groups, instances of them that run."""

    at: float
    pending: int
    replicas: int
    running: int


@dataclass(frozen=True)
class Outcome:
    """One run. waits: from arrival to the start of the run that counted; completions: to the end; both until the end of
    the trace for a job that is not there yet, so that leaving jobs waiting never looks good. Dollars, billed and busy
    seconds are those of the scaled groups: what is always on costs every rule the same."""

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
        """All that arrived."""
        return len(self.waits)

    @property
    def open(self) -> int:
        """Neither finished nor lost at the end."""
        return self.jobs - self.finished - self.lost

    def wait_min(self, share: float) -> float:
        """The wait that so many did not exceed, in minutes; 0 without jobs."""
        return percentile(self.waits, share) / 60 if self.waits else 0.0

    @property
    def dollars_per_1000(self) -> float:
        """Dollars of scaling for 1000 finished jobs; 0 without any."""
        return 1000 * self.dollars / self.finished if self.finished else 0.0

    @property
    def idle_share(self) -> float:
        """Part of the billed seconds in which no job ran."""
        return 1 - self.busy_sec / self.billed_sec if self.billed_sec else 0.0

    @property
    def score(self) -> float:
        """J: dollars of scaling for 1000 jobs, and the price of their minutes until the video was there."""
        if not self.waits:
            return 0.0
        minutes = sum(self.completions) / 60 / self.jobs
        return 1000 * (self.dollars / self.jobs + DOLLARS_PER_JOB_MINUTE * minutes)
