"""Keeps a run's phase, overall progress and the seconds spent in each phase."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """What a run is doing, in the order in which it happens."""

    STARTING = "starting"
    DOWNLOADING = "downloading"
    PREPARING = "preparing"
    GENERATING = "generating"
    ENCODING = "encoding"
    UPLOADING = "uploading"
    VERIFYING = "verifying"


# Overall progress at the begin of each phase: rough shares of a run's wall time, so that a progress bar moves
# evenly. Generating has the largest share because the GPU's work lies there.
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
    """Where a run stands. progress: 0.0-1.0 over the whole run; stage_times: seconds by phase so far."""

    phase: Phase
    progress: float
    stage_times: dict[str, float]


def overall_progress(phase: Phase, fraction: float) -> float:
    """Gives the progress of the whole run from the part of a phase that is done (0-1; what lies outside is cut)."""
    place = ORDER.index(phase)
    end = BEGIN[ORDER[place + 1]] if place + 1 < len(ORDER) else 1.0
    return round(BEGIN[phase] + (end - BEGIN[phase]) * min(1.0, max(0.0, fraction)), 4)


def _nobody_listens() -> None:
    """Stands in until somebody does."""


class RunProgress:
    """Follows one run; progress never falls. Safe between threads.

    clock: monotonic seconds; on_phase: called after each change of phase, in the thread that changed it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.on_phase: Callable[[], None] = _nobody_listens
        self._lock = threading.Lock()
        self._phase = Phase.STARTING
        self._progress = 0.0
        self._entered = clock()
        self._finished_phases: dict[str, float] = {}

    def enter(self, phase: Phase) -> None:
        """Closes the current phase and opens another."""
        with self._lock:
            self._finished_phases = self._times()
            self._phase, self._entered = phase, self._clock()
            self._progress = max(self._progress, BEGIN[phase])
        self.on_phase()

    def advance(self, fraction: float) -> None:
        """Says which part of the current phase is done, 0-1."""
        with self._lock:
            self._progress = max(self._progress, overall_progress(self._phase, fraction))

    def snapshot(self) -> ProgressSnapshot:
        """Gives where the run stands now."""
        with self._lock:
            return ProgressSnapshot(self._phase, self._progress, self._times())

    def _times(self) -> dict[str, float]:
        spent = self._finished_phases.get(self._phase, 0.0) + self._clock() - self._entered
        return {**self._finished_phases, str(self._phase): round(spent, 3)}
