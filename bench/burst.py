"""Submits 450 jobs at once, while Salad accepts 240 calls a minute: all must be accepted, none lost, none sent twice.

Runs the whole rehearsal without workers, submits from many threads, and waits until the ticks have sent every job.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from bench.load import Answered, Load, LoadError, Sent, post_all, wait_until
from bench.tables import percentile, table, verdict
from infra.local.demo import DemoError
from infra.local.demo.rehearsal import running_rehearsal

READ_SEC = 30.0  # for the simulator's state with several hundred jobs on a busy machine
POLL_SEC = 1.0
PROMISED_SEC = 8.0  # the API answers a submission within 8 s whatever Salad does


@dataclass(frozen=True)
class Outcome:
    """The outcome of one burst.

    accepted: ids that the API returned; at_salad: ids in the metadata of Salad's jobs; phases: number of jobs by phase
    at the end; sent_at_once: jobs at Salad when the last submission was answered; dispatch_sec: seconds from the first
    submission until Salad had every job, None when the time was over before; calls: the simulator's counters.
    """

    load: Load
    accepted: Sequence[str]
    at_salad: Sequence[str]
    phases: Mapping[str, int]
    sent_at_once: int
    dispatch_sec: float | None
    calls: Mapping[str, int]

    @property
    def lost(self) -> int:
        """The number of accepted jobs that are not at Salad."""
        return len(set(self.accepted) - set(self.at_salad))

    @property
    def doubled(self) -> int:
        """The number of jobs that are at Salad more than once."""
        return sum(1 for count in Counter(self.at_salad).values() if count > 1)

    @property
    def foreign(self) -> int:
        """The number of jobs at Salad that were not accepted: an app without a 202 would send them again."""
        return len(set(self.at_salad) - set(self.accepted))


def submissions(ready: Mapping[str, Any], count: int) -> list[Sent]:
    """Returns submissions of all clients in turn, each with its own idempotency key, so that none is a replay."""
    keys = list(ready["api_keys"].values())
    body = {"video_url": f"{ready['media']}/face.mp4", "audio_url": f"{ready['media']}/speech.wav"}
    content = json.dumps(body).encode()
    return [
        Sent(
            content,
            {
                "Content-Type": "application/json",
                "X-Internal-API-Key": keys[number % len(keys)],
                "Idempotency-Key": f"burst-{number}",
            },
        )
        for number in range(count)
    ]


def run(ready: Mapping[str, Any], count: int, clients: int, wait_sec: float) -> Outcome:
    """Submits, waits until Salad has as many jobs as were accepted, and returns the outcome. Raises LoadError."""
    with requests.Session() as session:
        session.trust_env = False
        began = time.monotonic()
        load = post_all(f"{ready['api']}/v1/avatar/jobs", submissions(ready, count), clients=clients)
        accepted = [_job_id(answer) for answer in load.answers if answer.status == 202]
        sent_at_once = len(_jobs_at_salad(session, ready))
        in_time = wait_until(lambda: len(set(_jobs_at_salad(session, ready))) >= len(accepted), wait_sec, POLL_SEC)
        dispatch_sec = time.monotonic() - began if in_time else None
        # the store may have the last dispatch shortly after Salad
        wait_until(lambda: set(_phases(session, ready, load)) == {"dispatched"}, READ_SEC, POLL_SEC)
        return Outcome(
            load=load,
            accepted=accepted,
            at_salad=_jobs_at_salad(session, ready),
            phases=_phases(session, ready, load),
            sent_at_once=sent_at_once,
            dispatch_sec=dispatch_sec,
            calls=_state(session, ready)["calls"],
        )


def _job_id(answer: Answered) -> str:
    return str(json.loads(answer.body)["id"])


def _state(session: requests.Session, ready: Mapping[str, Any]) -> dict[str, Any]:
    answer = session.get(f"{ready['salad']}/_sim/state", timeout=READ_SEC)
    answer.raise_for_status()
    state: dict[str, Any] = answer.json()
    return state


def _jobs_at_salad(session: requests.Session, ready: Mapping[str, Any]) -> list[str]:
    return [str(job["metadata"]["job_id"]) for job in _state(session, ready)["jobs"]]


def _phases(session: requests.Session, ready: Mapping[str, Any], load: Load) -> dict[str, int]:
    """Returns the number of accepted jobs in each phase, as the API shows them."""
    keys = list(ready["api_keys"].values())
    found: Counter[str] = Counter()
    for number, answer in enumerate(load.answers):
        if answer.status == 202:
            url = f"{ready['api']}/v1/avatar/jobs/{_job_id(answer)}"
            job = session.get(url, headers={"X-Internal-API-Key": keys[number % len(keys)]}, timeout=READ_SEC).json()
            found[str(job.get("phase"))] += 1
    return dict(found)


def report(outcome: Outcome, count: int) -> tuple[str, bool]:
    """Returns the table, and whether all targets were met."""
    latencies = outcome.load.latencies_ms
    statuses = Counter(answer.status for answer in outcome.load.answers)
    checks = [
        ("accepted (202)", str(statuses[202]), f"{count}", statuses[202] == count),
        ("different ids", str(len(set(outcome.accepted))), f"{count}", len(set(outcome.accepted)) == count),
        ("lost: accepted, not at Salad", str(outcome.lost), "0", outcome.lost == 0),
        ("twice at Salad", str(outcome.doubled), "0", outcome.doubled == 0),
        ("at Salad, never accepted", str(outcome.foreign), "0", outcome.foreign == 0),
        ("shown as dispatched", str(outcome.phases.get("dispatched", 0)), f"{count}",
         outcome.phases == {"dispatched": count}),
        ("slowest answer, ms", f"{max(latencies):.0f}", f"<= {PROMISED_SEC * 1000:.0f}",
         max(latencies) <= PROMISED_SEC * 1000),
    ]  # fmt: skip
    figures = [
        ("submit p50, ms", f"{percentile(latencies, 0.5):.0f}"),
        ("submit p99, ms", f"{percentile(latencies, 0.99):.0f}"),
        ("submissions a second", f"{outcome.load.requests_per_sec:.0f}"),
        ("at Salad when the last was answered", str(outcome.sent_at_once)),
        ("seconds until Salad had all", "never" if outcome.dispatch_sec is None else f"{outcome.dispatch_sec:.0f}"),
        ("calls of create_queue_job", str(outcome.calls.get("create_queue_job", 0))),
        ("calls of Salad in all", str(sum(n for name, n in outcome.calls.items() if name != "webhook"))),
        ("answers by status", ", ".join(f"{status}: {number}" for status, number in sorted(statuses.items()))),
        ("phases at the end", ", ".join(f"{phase}: {number}" for phase, number in sorted(outcome.phases.items()))),
    ]
    rows = [[name, value, target, verdict(met=met)] for name, value, target, met in checks]
    rows += [[name, value, "", ""] for name, value in figures]
    return table([f"burst of {count}", "found", "target", ""], rows), all(check[3] for check in checks)


def main(arguments: Sequence[str]) -> int:
    """Measures and prints the table. Returns 0 when all targets were met, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.burst",
        description=__doc__,
        epilog="The rehearsal's settings (STORE, TICK_SEC, ...) are taken from the environment, without any worker.",
    )
    parser.add_argument("--jobs", type=int, default=450, help="submitted at once (default 450)")
    parser.add_argument("--clients", type=int, default=64, help="connections that submit (default 64)")
    parser.add_argument("--wait", type=float, default=240.0, help="seconds for Salad to get all (default 240)")
    parser.add_argument("--log", type=Path, help="keep the rehearsal's log in this file")
    options = parser.parse_args(arguments)
    if not 1 <= options.clients <= options.jobs:
        parser.error("there must be at least one client, and no more clients than jobs")
    # for the rehearsal below: without workers, fixed or scaled, the jobs stay where they are counted
    os.environ.update(REPLICAS="0", SCALED_MAX="0")
    with tempfile.TemporaryDirectory(prefix="avatar-bench-") as name:
        try:
            with running_rehearsal(options.log or Path(name) / "rehearsal.log") as ready:
                outcome = run(ready, options.jobs, options.clients, options.wait)
        except (LoadError, DemoError, requests.RequestException) as error:
            print(f"not measured: {error}")
            return 1
    text, met = report(outcome, options.jobs)
    print(text)
    return 0 if met else 1


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main(sys.argv[1:]))
    sys.exit(130)  # the shell's exit code for Ctrl-C; the rehearsal has ended by now
