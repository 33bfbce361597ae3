"""Reports the progress of a run to the control plane, whose answers say whether the run is still wanted."""

import queue
import threading
from dataclasses import dataclass, field

from gpu_worker.adapters.event_log import EventLog
from gpu_worker.domain.control import RunControl, StopReason
from gpu_worker.domain.failures import JobError
from gpu_worker.domain.progress import ProgressSnapshot, RunProgress
from gpu_worker.ports import ReportFault, SendReport
from gpu_worker.wire import ReportAnswer, report_body

BEAT_SEC = 5.0  # the interval between reports that the control plane expects
QUEUE_LENGTH = 32  # a run has 7 phases; more reports than this wait only when none is answered
PHASE_TRIES = 2  # one more try for a phase; the next report says the same and more
LAST_TRIES = 3  # the last report shortens the wait for a lost webhook, or carries a reason that is sent nowhere else
RETRY_PAUSE_SEC = 0.5
HOPELESS = 3  # faults in a row after which no report is repeated or waited for, until one arrives again
LAST_WAIT_SEC = 12.0  # how long a run waits for its last report: 3 tries of up to 4 s
# The same while the worker is being stopped: a report usually takes well under a second, and the answer to the queue
# worker must be sent before the grace period ends.
INTERRUPTED_WAIT_SEC = 2.0
SLICE_SEC = 0.1  # how often a wait checks whether the worker is being stopped


@dataclass(frozen=True)
class _Item:
    snapshot: ProgressSnapshot
    tries: int
    error: JobError | None = None
    is_last: bool = False
    settled: threading.Event = field(default_factory=threading.Event)


class Reporter:
    """A thread that sends a run's reports one at a time, each with the next sequence number.

    A report that cannot be delivered is counted and logged, and the run goes on.
    """

    def __init__(
        self,
        send: SendReport,
        attempt: int,
        run_id: str,
        progress: RunProgress,
        control: RunControl,
        log: EventLog,
        *,
        beat_sec: float = BEAT_SEC,
    ) -> None:
        self._send = send
        self._attempt = attempt
        self._run_id = run_id
        self._progress = progress
        self._control = control
        self._log = log
        self._beat_sec = beat_sec
        self._items: queue.Queue[_Item | None] = queue.Queue(QUEUE_LENGTH)
        self._newest: _Item | None = None
        self._seq = 0
        self._ending = threading.Event()
        self._closed = threading.Event()
        self.faults = 0
        self._faults_in_a_row = 0
        self._thread = threading.Thread(target=self._work, name="reporter", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def report_phase(self) -> None:
        """Queues a report of the phase that the run is in now."""
        self._newest = _Item(self._progress.snapshot(), PHASE_TRIES)
        self._put(self._newest)

    def settle(self, wait_sec: float) -> None:
        """Waits up to wait_sec until the newest report of a phase was answered or given up."""
        if self._newest is not None and not self._is_hopeless():
            self._wait(self._newest, wait_sec)

    def finish(self, error: JobError | None) -> None:
        """Sends the last report and ends the thread; waits LAST_WAIT_SEC for it at most, less when interrupted."""
        item = _Item(self._progress.snapshot(), LAST_TRIES, error, is_last=True)
        self._ending.set()
        if self._put(item):
            self._wait(item, LAST_WAIT_SEC)
        self.close()

    def close(self) -> None:
        """Ends the thread without another report; waiting reports are dropped."""
        self._ending.set()
        self._closed.set()
        self._put(None)
        self._thread.join(timeout=1.0)

    def _wait(self, item: _Item, wait_sec: float) -> None:
        waited = 0.0
        while not item.settled.wait(SLICE_SEC):
            waited += SLICE_SEC
            is_interrupted = self._control.stop_reason() is StopReason.INTERRUPTED
            if waited >= (min(wait_sec, INTERRUPTED_WAIT_SEC) if is_interrupted else wait_sec):
                return

    def _put(self, item: "_Item | None") -> bool:
        try:
            self._items.put_nowait(item)
        except queue.Full:
            self._count_fault("the queue of reports is full")
            return False
        return True

    def _work(self) -> None:
        while True:
            try:
                item = self._items.get(timeout=self._beat_sec)
            except queue.Empty:
                item = _Item(self._progress.snapshot(), tries=1)
            if item is None:
                return
            if item.is_last or not self._ending.is_set():
                self._deliver(item)
            item.settled.set()
            if item.is_last:
                return

    def _deliver(self, item: _Item) -> None:
        self._seq += 1
        report = report_body(self._attempt, self._run_id, self._seq, item.snapshot, item.error, is_last=item.is_last)
        for done_tries in range(1, item.tries + 1):
            try:
                self._obey(self._send(report))
            except ReportFault as fault:
                self._count_fault(str(fault))
            else:
                self._faults_in_a_row = 0
                return
            if self._is_hopeless():
                return
            if done_tries < item.tries:
                self._closed.wait(RETRY_PAUSE_SEC)

    def _obey(self, answer: ReportAnswer) -> None:
        if answer.cancel:
            self._control.supersede()
        if answer.remaining_sec is not None:
            self._control.limit(answer.remaining_sec)

    def _is_hopeless(self) -> bool:
        return self._faults_in_a_row >= HOPELESS

    def _count_fault(self, reason: str) -> None:
        self.faults += 1
        self._faults_in_a_row += 1
        self._log.event("report_not_delivered", reason=reason, faults=self.faults)


class NoReporter:
    """The reporter of a job without a report URL; it does nothing."""

    faults = 0

    def start(self) -> None:
        """Does nothing."""

    def report_phase(self) -> None:
        """Does nothing."""

    def settle(self, wait_sec: float) -> None:
        """Does nothing."""

    def finish(self, error: JobError | None) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""
