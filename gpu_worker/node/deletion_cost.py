"""Tells Salad what it would lose by deleting this instance, so that scale-in takes an idle one instead."""

import threading
from collections.abc import Callable

from gpu_worker.adapters.event_log import EventLog
from gpu_worker.adapters.imds import ImdsFault

IDLE_COST = 0  # what Salad assumes of an instance that never said anything
BUSY_COST = 100  # any number over 0 would do; this one leaves room below for what is worth less than a job
PROGRESS_COST = 100  # a job at its end adds this: of two busy instances the one that has done less goes first
STEP = 0.1  # of a job's progress: ten calls a job say enough
# How often progress is looked at, and how long a call that failed waits for its repetition. Scale-in is decided once a
# minute, so that a value is never much older than the decision.
LOOK_SEC = 5.0


def cost_of(is_busy: bool, progress: float) -> int:
    """Gives the deletion cost; progress: 0.0-1.0 of the job in the run slot."""
    if not is_busy:
        return IDLE_COST
    steps = int(min(1.0, max(0.0, progress)) / STEP + 1e-9)  # 0.3 / 0.1 is a little less than 3
    return BUSY_COST + round(steps * STEP * PROGRESS_COST)


class DeletionCost:
    """Sets the cost from one thread, so that values never overtake each other and nobody waits for a call.

    send: sets a cost, raises ImdsFault; look: gives the cost that is right now.
    """

    def __init__(self, send: Callable[[int], None], look: Callable[[], int], log: EventLog) -> None:
        self._send = send
        self._look = look
        self._log = log
        self._told: int | None = None  # unknown at first: the container before this one may have died in mid-job
        self._changed = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="deletion-cost", daemon=True)

    def start(self) -> None:
        """Starts the thread, which says at once what is right."""
        self._thread.start()

    def refresh(self) -> None:
        """Has the thread look at once; never waits."""
        self._changed.set()

    def stop(self) -> None:
        """Ends the thread; the cost stays what it is."""
        self._stopped = True
        self._changed.set()

    def _work(self) -> None:
        while not self._stopped:
            self._changed.clear()  # before the look: a change during it is looked at again
            self._tell(self._look())
            self._changed.wait(LOOK_SEC)

    def _tell(self, cost: int) -> None:
        if cost == self._told:
            return
        try:
            self._send(cost)
        except ImdsFault as fault:
            self._told = None  # it may have arrived or not
            self._log.event("imds_call_failed", operation="replace_deletion_cost", reason=str(fault), cost=cost)
        else:
            self._told = cost
