"""Keeps Salad's deletion cost of this instance up to date, so that a scale-in removes idle instances first."""

import threading
from collections.abc import Callable

from gpu_worker.adapters.event_log import EventLog
from gpu_worker.adapters.imds import ImdsFault

IDLE_COST = 0  # what Salad assumes of an instance that has not set a cost
BUSY_COST = 100  # any number over 0 would do; this one leaves room below for anything worth less than a job
PROGRESS_COST = 100  # added in proportion to progress: of two busy instances the one with less progress is removed
STEP = 0.1  # of a job's progress: ten calls for each job are enough
# How often progress is read, and when a failed call is repeated. Scale-in is decided once a minute, so that a value is
# never much older than the decision.
CHECK_SEC = 5.0


def cost_of(is_busy: bool, progress: float) -> int:
    """Returns the deletion cost; progress: 0.0-1.0 of the job in the run slot."""
    if not is_busy:
        return IDLE_COST
    steps = int(min(1.0, max(0.0, progress)) / STEP + 1e-9)  # 0.3 / 0.1 is a little less than 3
    return BUSY_COST + round(steps * STEP * PROGRESS_COST)


class DeletionCost:
    """A thread that sets the cost, so that values never overtake each other and no caller waits for a call.

    send: sets a cost, raises ImdsFault; current_cost: returns the right cost at this moment.
    """

    def __init__(self, send: Callable[[int], None], current_cost: Callable[[], int], log: EventLog) -> None:
        self._send = send
        self._current_cost = current_cost
        self._log = log
        self._last_cost: int | None = None  # unknown at first: an earlier container may have died during a job
        self._changed = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="deletion-cost", daemon=True)

    def start(self) -> None:
        """Starts the thread, which sets the cost at once."""
        self._thread.start()

    def refresh(self) -> None:
        """Makes the thread check the cost at once; never waits."""
        self._changed.set()

    def stop(self) -> None:
        """Ends the thread; the cost stays as it is."""
        self._stopped = True
        self._changed.set()

    def _work(self) -> None:
        while not self._stopped:
            self._changed.clear()  # before the check, so that a change during it leads to another one
            self._set(self._current_cost())
            self._changed.wait(CHECK_SEC)

    def _set(self, cost: int) -> None:
        if cost == self._last_cost:
            return
        try:
            self._send(cost)
        except ImdsFault as fault:
            self._last_cost = None  # the call may have had its effect or not
            self._log.event("imds_call_failed", operation="replace_deletion_cost", reason=str(fault), cost=cost)
        else:
            self._last_cost = cost
