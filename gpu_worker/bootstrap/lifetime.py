"""The life of the process: starts the worker's parts in order, waits for the signal to stop, and stops them in time."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from gpu_worker.adapters.event_log import EventLog
from gpu_worker.domain import messages
from gpu_worker.engines.port import Engine, HopelessHardware
from gpu_worker.http.server import Server
from gpu_worker.node.agent import NodeAgent
from gpu_worker.run.run_slot import HOLD_SEC, RunSlot

# After the drain: an interrupted run stops within a second, has 2 s for its last report and 1 s to join its thread.
# With the default drain of 4 s this is 8 s; the rehearsal and container runtimes send SIGKILL after 10 s.
WRAP_UP_SEC = 4.0
ENGINE_SEC = 0.5  # of that for the engine, which is then idle or about to be killed
EXIT_LATE = 1  # exit status when something hangs beyond the grace period; the kernel ends the children


class _StoppedWhileStartingError(BaseException):
    """Raised to interrupt the engine's start, which may take a minute. A BaseException, so that no `except Exception`
    catches it."""


class StopSignal:
    """A handler that remembers SIGTERM and SIGINT, and ends a start in progress. Make it in the main thread."""

    def __init__(self) -> None:
        self._came = threading.Event()
        self._is_starting = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def wait(self) -> None:
        """Waits for a signal."""
        self._came.wait()

    def run_start(self, start: Callable[[], None]) -> bool:
        """Runs start; returns False when a signal came before it ended."""
        self._is_starting = True
        try:
            if not self._came.is_set():
                start()
        except _StoppedWhileStartingError:
            return False
        finally:
            self._is_starting = False
        return not self._came.is_set()

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._came.set()
        if self._is_starting:
            self._is_starting = False  # a second signal must not interrupt the stop
            raise _StoppedWhileStartingError


@dataclass(frozen=True)
class Worker:
    """The parts that live as long as the process. drain_sec: how long a run that stores its video may continue after
    the signal to stop."""

    engine: Engine
    node_agent: NodeAgent
    run_slot: RunSlot
    server: Server
    drain_sec: float
    log: EventLog

    def start(self, stop_signal: StopSignal) -> bool:
        """Starts the server, then the engine, then accepts jobs; returns False when a signal came before that.

        On hopeless hardware the worker gives the node up and its server goes on: /live 200, /hc 503. Raises
        HopelessHardware where there is no Salad to ask for another node, and EngineNotAllowed.
        """
        self.node_agent.on_given_up = lambda: self.run_slot.close(messages.REPLACED, HOLD_SEC)
        self.server.start()
        try:
            if not stop_signal.run_start(self.engine.start):
                return False
        except HopelessHardware as error:
            if not self.node_agent.give_up(str(error)):
                raise
        self.node_agent.start()
        self.run_slot.open()
        return True

    def stop(self) -> None:
        """Stops everything within drain_sec + WRAP_UP_SEC; a run that stores its video may finish within drain_sec."""
        until = time.monotonic() + self.drain_sec + WRAP_UP_SEC
        guard = threading.Timer(self.drain_sec + WRAP_UP_SEC, self._end_late)
        guard.daemon = True
        guard.start()
        self.node_agent.stop()
        self.run_slot.close(messages.STOPPED)
        if self.node_agent.is_storing():
            self.log.event("draining", drain_sec=self.drain_sec)
            self.run_slot.wait_until_idle(self.drain_sec)
        self.run_slot.interrupt()
        self.run_slot.wait_until_idle(until - ENGINE_SEC - time.monotonic())
        self.engine.stop()
        self.log.event("stopped", all_answered=self.server.stop(until - ENGINE_SEC / 2 - time.monotonic()))
        guard.cancel()

    def _end_late(self) -> None:
        self.log.event("stop_took_too_long")
        os._exit(EXIT_LATE)
