"""The rehearsal's processes as a soak sees them: who is who, from the log; blows against them; their memory."""

import json
import os
import signal
import statistics
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

from tests.soak.plan import Blow

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SAMPLE_SEC = 2.0
READ_SEC = 0.2
MIN_SAMPLES = 60  # of one process: two minutes; a shorter life says nothing about growth
WARM_UP_SHARE = 0.2  # of its samples: imports and caches fill up


class Log:
    """Follows the rehearsal's log: the processes' numbers, and what the books count. One thread reads it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""
        self.pids: dict[str, int] = {}  # child -> its latest process, which leads its group
        self.ends: Counter[str] = Counter()  # child -> how often it ended
        self.finished: Counter[str] = Counter()  # job id -> job_finished events
        self.statuses: Counter[tuple[str, int]] = Counter()  # (function, status) of the gateway's answers from 500 on
        self.tick_failures: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.library_errors: list[dict[str, Any]] = []

    def read(self) -> None:
        """Takes in the lines that have come."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            with suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    self._take(event)

    def close(self) -> None:
        """Ends the reading."""
        self._file.close()

    def _take(self, event: dict[str, Any]) -> None:
        name = str(event.get("event"))
        self.events[name] += 1
        if name == "child_started":
            self.pids[event["child"]] = event["pid"]
        elif name == "child_ended":
            self.ends[event["child"]] += 1
        elif name == "job_finished":
            self.finished[event["job_id"]] += 1
        elif name == "gateway_request" and event["status"] >= 500:
            self.statuses[event["function"], event["status"]] += 1
        elif name == "tick_failed":
            self.tick_failures[str(event.get("status") or event.get("error"))] += 1


class Processes:
    """Carries out blows. Everything that it has stopped goes on at the latest with go_on()."""

    def __init__(self, log: Log, salad: str, log_lock: threading.Lock) -> None:
        """salad: the simulator's URL."""
        self._log = log
        self._log_lock = log_lock
        self._salad = salad
        self._stopped: set[int] = set()
        self._is_quiet = threading.Event()
        self.done: Counter[str] = Counter()

    def strike(self, blow: Blow) -> None:
        """Kills the target's process group, or stops it for the blow's seconds."""
        group = self._group(blow)
        if group is None:
            self.done[f"{blow.kind} {blow.target}: nobody there"] += 1
            return
        with suppress(ProcessLookupError, requests.RequestException):
            if blow.target == "worker":
                self._post(f"/instances/{group[1]}/kill")
            elif blow.kind == "kill":
                os.killpg(group[0], signal.SIGKILL)
            else:
                self._hold(group[0], blow.seconds)
            self.done[f"{blow.kind} {blow.target}"] += 1

    def go_on(self) -> None:
        """Ends every stop, now and later."""
        self._is_quiet.set()
        for pid in list(self._stopped):
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGCONT)

    def _hold(self, pid: int, seconds: float) -> None:
        self._stopped.add(pid)
        os.killpg(pid, signal.SIGSTOP)
        self._is_quiet.wait(seconds)
        os.killpg(pid, signal.SIGCONT)
        self._stopped.discard(pid)

    def _group(self, blow: Blow) -> tuple[int, str] | None:
        """Returns the process group and the instance's id, empty for one of the launcher's children."""
        if not blow.target.startswith("worker"):
            with self._log_lock:
                pid = self._log.pids.get(blow.target)
            return None if pid is None else (pid, "")
        try:
            state = requests.get(f"{self._salad}/_sim/state", timeout=5).json()
        except (requests.RequestException, ValueError):
            return None
        running = [one for one in state["instances"] if one["pid"] is not None]
        if not running:
            return None
        chosen = running[int(blow.which * len(running))]
        return int(chosen["pid"]), str(chosen["id"])

    def _post(self, path: str) -> None:
        requests.post(f"{self._salad}/_sim{path}", timeout=5)


class Memory:
    """Samples the resident memory of each process group of the launcher."""

    def __init__(self) -> None:
        self._samples: dict[tuple[str, int], list[int]] = defaultdict(list)

    def sample(self, pids: dict[str, int]) -> None:
        """Adds one sample for each process that lives."""
        names = {pid: name for name, pid in pids.items()}
        sums: Counter[int] = Counter()
        for group, resident in _resident():
            if group in names:
                sums[group] += resident
        for group, resident in sums.items():
            self._samples[names[group], group].append(resident)

    def growth(self) -> dict[str, float]:
        """Returns by process the ratio of the median of the last third to that of the first, warm-up left out."""
        found = {}
        for (name, pid), samples in self._samples.items():
            warm = samples[int(len(samples) * WARM_UP_SHARE) :]
            if len(samples) >= MIN_SAMPLES:
                third = len(warm) // 3
                found[f"{name} ({pid})"] = statistics.median(warm[-third:]) / statistics.median(warm[:third])
        return found


def _resident() -> Iterator[tuple[int, int]]:
    """Yields process group and resident bytes of every process of this machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(fields[2]), int(fields[21]) * PAGE_BYTES
