"""Runs one instance's container: the worker and the queue worker as processes of one process group."""

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any

from infra.local import processes
from infra.local.salad_sim.fleet import ProbeTally, tallied


class Container:
    """One instance's two processes, which end together, and the readiness probe of the worker."""

    def __init__(
        self,
        worker_command: Sequence[str],
        queue_worker_command: Sequence[str],
        worker_environment: Mapping[str, str],
        queue_worker_environment: Mapping[str, str],
    ) -> None:
        """Starts both processes or none. Raises OSError when the machine cannot start another process.

        Call it from a thread that lives as long as the processes should (see processes.py).
        """
        self._worker = processes.spawn(worker_command, worker_environment, process_group=processes.NEW_GROUP)
        self.pid = self._worker.pid  # also the number of the process group
        try:
            self._queue_worker = processes.spawn(queue_worker_command, queue_worker_environment, process_group=self.pid)
        except OSError:
            processes.kill_group(self.pid)
            self._worker.wait()
            raise
        self._probe_ended = threading.Event()

    def probe(self, settings: Mapping[str, Any], port: int, told: Callable[[bool], None]) -> None:
        """Probes the worker's port over HTTP from a thread of its own until the container ends.

        settings: a ContainerGroupReadinessProbe with `http`; told: called with the verdict each time it changes.
        """
        arguments = (settings, port, told, self._probe_ended)
        threading.Thread(target=_probe, args=arguments, name=f"probe-{self.pid}", daemon=True).start()

    def is_broken(self) -> bool:
        """Returns whether one of the two processes has ended: on Salad the container would end with it."""
        return self._worker.poll() is not None or self._queue_worker.poll() is not None

    def has_ended(self) -> bool:
        """Returns whether both processes have ended."""
        return self._worker.poll() is not None and self._queue_worker.poll() is not None

    def terminate(self) -> None:
        """Asks the whole process group to end."""
        self._probe_ended.set()
        for process in (self._worker, self._queue_worker):
            process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the whole process group at once and reaps both processes."""
        self._probe_ended.set()
        processes.kill_group(self.pid)
        self._worker.wait()
        self._queue_worker.wait()


def _probe(settings: Mapping[str, Any], port: int, told: Callable[[bool], None], ended: threading.Event) -> None:
    tally = ProbeTally()
    pause = settings["initial_delay_seconds"]
    while not ended.wait(pause):
        success = _answers(settings["http"], port, settings["timeout_seconds"])
        was = tally.passed
        tally = tallied(tally, success, settings["success_threshold"], settings["failure_threshold"])
        if tally.passed != was and not ended.is_set():
            told(tally.passed)
        pause = settings["period_seconds"]


def _answers(http: Mapping[str, Any], port: int, timeout_sec: float) -> bool:
    """Returns whether the worker answers 2xx or 3xx in time. port: the instance's, not the one that the probe names."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout_sec)
    headers = {header["name"]: header["value"] for header in http.get("headers", [])}
    try:
        connection.request("GET", http["path"], headers=headers)
        return 200 <= connection.getresponse().status < 400
    except (OSError, HTTPException):  # refused, cut or too late
        return False
    finally:
        connection.close()
