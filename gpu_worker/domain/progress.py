"""The progress of a run: its phase, how much is done, and the seconds spent in each phase."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """The phases of a run, in the order in which they happen."""

    STARTING = "starting"
    DOWNLOADING = "downloading"
    PREPARING = "preparing"
    GENERATING = "generating"
    ENCODING = "encoding"
    UPLOADING = "uploading"
    VERIFYING = "verifying"


# Overall progress at the start of each phase: rough shares of a run's wall time, so that a progress bar moves evenly.
# Generating has the largest share because it holds the GPU's work.
BEGIN: dict[Phase, float] = {
    Phase.STARTING: 0.0,
    Phase.DOWNLOADING: 0.02,
    Phase.PREPARING: 0.12,
    Phase.GENERATING: 0.25,
    Phase.ENCODING: 0.75,
    Phase.UPLOADING: 0.88,
    Phase.VERIFYING: 0.98,
}
ORDER = tuple(Phase)


@dataclass(frozen=True)
class ProgressSnapshot:
    """The progress at one moment. progress: 0.0-1.0 of the whole run; stage_times: seconds by phase so far."""

    phase: Phase
    progress: float
    stage_times: dict[str, float]


def overall_progress(phase: Phase, fraction: float) -> float:
    """Returns the progress of the whole run; fraction: the part of the phase that is done, limited to 0-1."""
    place = ORDER.index(phase)
    end = BEGIN[ORDER[place + 1]] if place + 1 < len(ORDER) else 1.0
    return round(BEGIN[phase] + (end - BEGIN[phase]) * min(1.0, max(0.0, fraction)), 4)


def _no_listener() -> None:
    """Does nothing, until on_phase is set."""


class RunProgress:
    """The progress of one run; it never falls. Safe between threads.

    clock: returns monotonic seconds; on_phase: called after each change of phase, in the thread that changed it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.on_phase: Callable[[], None] = _no_listener
        self._lock = threading.Lock()
        self._phase = Phase.STARTING
        self._progress = 0.0
        self._entered = clock()
        self._finished_phases: dict[str, float] = {}

    def enter(self, phase: Phase) -> None:
        """Ends the current phase and starts another."""
        with self._lock:
            self._finished_phases = self._times()
            self._phase, self._entered = phase, self._clock()
            self._progress = max(self._progress, BEGIN[phase])
        self.on_phase()

    def advance(self, fraction: float) -> None:
        """Sets which part of the current phase is done, 0-1."""
        with self._lock:
            self._progress = max(self._progress, overall_progress(self._phase, fraction))

    def snapshot(self) -> ProgressSnapshot:
        """Returns the progress as it is now."""
        with self._lock:
            return ProgressSnapshot(self._phase, self._progress, self._times())

    def _times(self) -> dict[str, float]:
        spent = self._finished_phases.get(self._phase, 0.0) + self._clock() - self._entered
        return {**self._finished_phases, str(self._phase): round(spent, 3)}
