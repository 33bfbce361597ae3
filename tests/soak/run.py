"""Leads a soak: the bad days as they were planned, then quiet, then the books, then the report."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from tests.e2e.rehearsals import ROOT, Rehearsal, rehearsal
from tests.soak import books, worker
from tests.soak.books import Fault
from tests.soak.clients import ODD_REQUESTS, Apps, SoakJob
from tests.soak.plan import CLIENTS, GOOD_MANNERS, Blow, FaultPlan, SoakPlan, draw
from tests.soak.processes import READ_SEC, SAMPLE_SEC, Log, Memory, Processes
from tests.soak.receivers import Receivers, running_receivers

THREADS = 96  # jobs that wait for an answer or for their cancellation, and stops
ODD_EVERY_SEC = 1.5
CALL_SEC = 10.0
LOOK_SEC = 1.0
FAULT_PATIENCE_SEC = 60.0  # for planned faults that nothing has called for yet
SHOWN = 25  # faults in the report; the file has all


@dataclass(frozen=True)
class Settings:
    """How big a soak is. short: deadlines within a minute, so that all ends soon; patience_sec: for cleaning up."""

    seed: int
    jobs: int
    store: str
    bad_sec: float
    tick_sec: int
    replicas: int
    short: bool
    patience_sec: float


@dataclass
class Report:
    """What a soak has found. counts: for the reader."""

    seed: int
    faults: list[Fault] = field(default_factory=list)
    counts: dict[str, Any] = field(default_factory=dict)
    timeline: str = ""

    def text(self) -> str:
        """Returns the report for people."""
        lines = [f"{name}: {value}" for name, value in self.counts.items()]
        kinds = Counter(re.sub(r"[0-9a-f]{12,}|\d+", "N", one.text)[:140] for one in self.faults)
        lines += [f"{count:5} x {kind}" for kind, count in kinds.most_common()]
        lines += [f"WRONG {one.job or '-'}: {one.text}" for one in self.faults[:SHOWN]]
        if self.faults:
            lines += ["", "one bad job:", self.timeline, f"seed {self.seed}: {len(self.faults)} things are wrong"]
        else:
            lines.append(f"seed {self.seed}: the books are clean")
        return "\n".join(lines)


class Soak:
    """One soak on a running rehearsal."""

    def __init__(self, settings: Settings, plan: SoakPlan, running: Rehearsal, receivers: Receivers) -> None:
        self.settings = settings
        self.plan = plan
        self.running = running
        self.receivers = receivers
        self.jobs = [SoakJob(one) for one in plan.jobs]
        self.apps = Apps(plan.seed, running.ready, receivers)
        self.log = Log(running.log)
        self.log_lock = threading.Lock()
        self.processes = Processes(self.log, running.ready["salad"], self.log_lock)
        self.memory = Memory()
        self.fault_ids: dict[str, tuple[str, str]] = {}  # id -> its simulator and text
        self.happened: dict[str, int] = {}
        self.ended = threading.Event()
        self.quiet_at = datetime.now(UTC)

    def run(self) -> Report:
        """Plays the bad days, waits for the ends, and keeps the books."""
        with self._watched(), ThreadPoolExecutor(THREADS) as pool:
            self._play(pool)
            self._quiet()
            finished = self._await_ends(pool)
            shown = self._read_all(pool)
            report = self._books(shown, finished)
        if report.faults:
            bad = next((one.job for one in report.faults if one.job), None)
            report.timeline = self._timeline(bad) if bad else "(no fault is about a job)"
        return report

    def _play(self, pool: ThreadPoolExecutor) -> None:
        actions: list[tuple[float, Callable[[], object]]] = []
        actions += [(job.plan.at, lambda job=job: self.apps.run(job)) for job in self.jobs]  # type: ignore[misc]
        actions += [(one.at, lambda one=one: self._plan_fault(one)) for one in self.plan.faults]  # type: ignore[misc]
        actions += [(one.at, lambda one=one: self._strike(one)) for one in self.plan.blows]  # type: ignore[misc]
        odd = range(int(self.plan.bad_sec / ODD_EVERY_SEC))
        actions += [(n * ODD_EVERY_SEC, lambda n=n: self.apps.send_odd(n)) for n in odd]  # type: ignore[misc]
        began = time.monotonic()
        futures: list[Future[object]] = []
        for at, action in sorted(actions, key=lambda pair: pair[0]):
            time.sleep(max(0.0, began + at - time.monotonic()))
            futures.append(pool.submit(action))
        time.sleep(max(0.0, began + self.plan.bad_sec - time.monotonic()))
        self.processes.go_on()
        wait(futures)
        for future in futures:
            future.result()  # a fault of the soak itself must not stay hidden

    def _strike(self, blow: Blow) -> None:
        self.processes.strike(blow)

    def _plan_fault(self, fault: FaultPlan) -> None:
        body = {"operation": fault.operation, "fault": fault.fault, "times": fault.times}
        answer = self._eventually(lambda: self._sim(fault.system, "POST", "/faults", body), 60.0)
        if answer is not None:
            self.fault_ids[answer["id"]] = (fault.system, f"{fault.operation} {json.dumps(fault.fault)}")

    def _quiet(self) -> None:
        """Waits for faults that are still to happen, then drops them all."""
        self._eventually(self._all_happened, FAULT_PATIENCE_SEC)
        self._count_faults()
        for system in ("salad", "b2"):
            self._eventually(lambda: self._sim(system, "POST", "/reset"), 60.0)  # noqa: B023
        self.quiet_at = datetime.now(UTC)

    def _all_happened(self) -> bool:
        self._count_faults()
        return all(self.happened.values())

    def _count_faults(self) -> None:
        for fault_id, (system, text) in list(self.fault_ids.items()):
            if not self.happened.get(text) and (found := self._sim(system, "GET", f"/faults/{fault_id}")) is not None:
                self.happened[text] = max(self.happened.get(text, 0), found["happened"])

    def _await_ends(self, pool: ThreadPoolExecutor) -> bool:
        """Polls until every accepted job is done, or until the last limit is over by far."""
        longest = max((job.plan.start_sec + job.plan.run_sec for job in self.jobs), default=0)
        patience = longest + 2 * self.settings.tick_sec + self.settings.patience_sec

        def all_done() -> bool:
            left = [job for job in self.jobs if job.id is not None and job.ended is None]
            list(pool.map(self.apps.read, left))
            return not any(job.ended is None for job in left)

        done = self._eventually(all_done, patience)
        self._eventually(self._all_settled, self.settings.patience_sec)
        return bool(done)

    def _all_settled(self) -> bool:
        salad, b2 = self._sim("salad", "GET", "/state"), self._sim("b2", "GET", "/state")
        if salad is None or b2 is None or list(books.salad_faults(salad)) or list(books.key_faults(b2)):
            return False
        waiting = [
            job for job in self.jobs
            if job.id and job.plan.manner in GOOD_MANNERS
            and not any(one.is_accepted for one in self.receivers.received(job.plan.number))
        ]  # fmt: skip
        return not waiting

    def _read_all(self, pool: ThreadPoolExecutor) -> list[tuple[SoakJob, dict[str, Any]]]:
        accepted = [job for job in self.jobs if job.id is not None]
        shown = pool.map(lambda job: self._eventually(lambda: self.apps.read(job), 60.0), accepted)
        found = []
        for job, one in zip(accepted, shown, strict=True):
            if one is None:
                job.faults.append("it cannot be read")
            else:
                found.append((job, one))
        return found

    def _books(self, shown: list[tuple[SoakJob, dict[str, Any]]], finished: bool) -> Report:
        tick = float(self.settings.tick_sec)
        secrets = self.running.ready["callback_secrets"]
        faults: list[Fault] = []
        for job, one in shown:
            faults += books.job_faults(job, one, self.quiet_at, tick)
            received = self.receivers.received(job.plan.number)
            faults += books.callback_faults(job, one, received, secrets[job.plan.client])
        salad = self._sim("salad", "GET", "/state") or {"jobs": []}
        b2 = self._sim("b2", "GET", "/state") or {"keys": [], "files": []}
        faults += books.salad_faults(salad)
        faults += books.verified_elsewhere(shown, {one["name"] for one in b2["files"] if one["action"] == "upload"})
        faults += books.key_faults(b2)
        faults += books.fault_faults(self.happened)
        with self.log_lock:
            growth = self.memory.growth()
            undocumented = self.apps.undocumented + Counter(
                {f"{name} {status}": n for (name, status), n in self.log.statuses.items() if status == 500}
            )
            faults += books.event_faults(self.log.finished, undocumented, self.log.tick_failures)
        faults += books.memory_faults(growth)
        faults += books.refusal_faults(self.jobs)
        ends = Counter(one["status"] for _, one in shown)
        faults += books.share_faults(self.jobs, ends)
        counts = {
            "ends": dict(ends),
            "errors": dict(Counter((one["error"] or {}).get("code") for _, one in shown if one["error"])),
            "all ended in time": finished,
            "refused": dict(Counter(job.refused[:80] for job in self.jobs if job.id is None)),
            "answers": dict(sorted(self.apps.statuses.items())),
            "requests without an answer": self.apps.unreachable,
            "faults that happened": f"{sum(map(bool, self.happened.values()))} of {len(self.happened)}",
            "blows": dict(sorted(self.processes.done.items())),
            "processes that ended": dict(sorted(self.log.ends.items())),
            "ticks that failed": dict(self.log.tick_failures),
            "memory": {name: round(ratio, 2) for name, ratio in growth.items()},
        }
        return Report(self.plan.seed, faults, counts)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Follows the log and the memory for the length of the block."""
        thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.processes.go_on()
            self.ended.set()
            thread.join()
            self.log.close()

    def _watch(self) -> None:
        sampled_at = 0.0
        while not self.ended.wait(READ_SEC):
            with self.log_lock:
                self.log.read()
                pids = dict(self.log.pids)
            if time.monotonic() - sampled_at >= SAMPLE_SEC:
                sampled_at = time.monotonic()
                self.memory.sample(pids)

    def _sim(self, system: str, method: str, path: str, body: Any = None) -> Any:
        return self._asked(method, f"{self.running.ready[system]}/_sim{path}", body)

    def _asked(self, method: str, url: str, body: Any = None) -> Any:
        """Returns the JSON answer, None without a good one."""
        with suppress(requests.RequestException, ValueError):
            answer = requests.request(method, url, json=body, timeout=CALL_SEC)
            if answer.ok:
                return answer.json()
        return None

    def _eventually(self, look: Callable[[], Any], patience_sec: float) -> Any:
        """Polls until look() gives something; returns it, or its last answer when the time is over."""
        ends_at = time.monotonic() + patience_sec
        while not (found := look()) and time.monotonic() < ends_at:
            time.sleep(LOOK_SEC)
        return found

    def _timeline(self, job_id: str) -> str:
        """Returns what the operators' command shows of a job, with the settings of a function that runs."""
        try:
            text = Path(f"/proc/{self.log.pids['scale_tick']}/environ").read_text()
        except (OSError, KeyError):
            return "(the function's settings cannot be read)"
        settings = dict(item.split("=", 1) for item in text.split("\0") if "=" in item)
        environment = {**settings, "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}"}
        command = [sys.executable, "-m", "infra.ops", "jobs", "timeline", job_id]
        shown = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return f"{job_id}\n{shown.stdout}{shown.stderr[-2000:]}"


def run_soak(settings: Settings, directory: Path) -> Report:
    """Plays one soak; its plan, log and report are in the directory."""
    plan = draw(settings.seed, settings.jobs, settings.bad_sec, store=settings.store, short_deadlines=settings.short)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "plan.jsonl").write_text(plan.text())
    with (
        running_receivers() as receivers,
        rehearsal(
            directory,
            STORE=settings.store,
            REPLICAS=str(settings.replicas),
            TICK_SEC=str(settings.tick_sec),
            INSTANCES="2",
            CLIENTS=",".join(CLIENTS),
            WORKER_COMMAND=worker.COMMAND,
        ) as running,
    ):
        report = Soak(settings, plan, running, receivers).run()
    (directory / "report.txt").write_text(report.text() + "\n")
    (directory / "faults.jsonl").write_text("".join(json.dumps(asdict(one)) + "\n" for one in report.faults))
    return report


def plan_lines(settings: Settings) -> str:
    """Returns the plan's faults and blows and how many jobs there are, for the terminal."""
    plan = draw(settings.seed, settings.jobs, settings.bad_sec, store=settings.store, short_deadlines=settings.short)
    rows = [json.dumps(asdict(one)) for one in plan.faults] + [json.dumps(asdict(one)) for one in plan.blows]
    manners = Counter(job.manner for job in plan.jobs)
    odd = f"{len(ODD_REQUESTS)} odd requests"
    head = f"seed {plan.seed}: {len(plan.jobs)} jobs in {plan.bad_sec:.0f} s, {odd}, receivers {dict(manners)}"
    return "\n".join([head, *rows])


def main() -> int:
    """Runs SEED, JOBS, STORE, MINUTES of the environment. Returns the exit code."""
    jobs = int(os.environ.get("JOBS") or 200)
    minutes = float(os.environ.get("MINUTES") or max(1.0, jobs / 100))
    settings = Settings(
        seed=int(os.environ.get("SEED") or 1),
        jobs=jobs,
        store=os.environ.get("STORE") or "sqlite",
        bad_sec=minutes * 60,
        tick_sec=3 if os.environ.get("SHORT") else 5,
        replicas=4,
        short=bool(os.environ.get("SHORT")),
        patience_sec=float(os.environ.get("PATIENCE_SEC") or 480.0),
    )
    directory = ROOT / "build" / "soak" / f"seed-{settings.seed}-{settings.store}-{settings.jobs}"
    sys.stdout.write(plan_lines(settings) + f"\nplan, log and report: {directory}\n")
    sys.stdout.flush()
    report = run_soak(settings, directory)
    sys.stdout.write(report.text() + "\n")
    return 1 if report.faults else 0
