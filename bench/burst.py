"""450 jobs at once while Salad takes 240 calls a minute: are all accepted, does none get lost, is none sent twice?

Runs the whole rehearsal without workers, submits from many threads, then lets the tick work until Salad has every job.
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

READ_SEC = 30.0  # the simulator's state with some hundred jobs, while the machine is busy
POLL_SEC = 1.0
PROMISED_SEC = 8.0  # the API answers a submission within 8 s whatever Salad does


@dataclass(frozen=True)
class Outcome:
    """What became of the jobs: ids that the API gave, ids in the metadata of Salad's jobs, ids by their phase now.

    dispatch_sec: from the first submission until Salad had every job, None when it did not in time; waiting: how many
    Salad had not at the end of the submissions; calls: what the simulator counted.
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
        """Accepted, and not at Salad."""
        return len(set(self.accepted) - set(self.at_salad))

    @property
    def doubled(self) -> int:
        """Jobs that stand at Salad more than once."""
        return sum(1 for count in Counter(self.at_salad).values() if count > 1)

    @property
    def foreign(self) -> int:
        """At Salad, and never accepted: an app that got no 202 would send it again."""
        return len(set(self.at_salad) - set(self.accepted))


def submissions(ready: Mapping[str, Any], count: int) -> list[Sent]:
    """Jobs of all clients in turn, each with a key of its own: none may be taken for a replay."""
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
    """Submits, waits until Salad has as many jobs as were accepted, and looks. Raises LoadError."""
    with requests.Session() as session:
        session.trust_env = False
        began = time.monotonic()
        load = post_all(f"{ready['api']}/v1/avatar/jobs", submissions(ready, count), clients=clients)
        accepted = [_job_id(answer) for answer in load.answers if answer.status == 202]
        sent_at_once = len(_jobs_at_salad(session, ready))
        in_time = wait_until(lambda: len(set(_jobs_at_salad(session, ready))) >= len(accepted), wait_sec, POLL_SEC)
        dispatch_sec = time.monotonic() - began if in_time else None
        # the API may learn of the last dispatch a moment after Salad
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
    """How many of the accepted jobs the API shows in each phase."""
    keys = list(ready["api_keys"].values())
    found: Counter[str] = Counter()
    for number, answer in enumerate(load.answers):
        if answer.status == 202:
            url = f"{ready['api']}/v1/avatar/jobs/{_job_id(answer)}"
            job = session.get(url, headers={"X-Internal-API-Key": keys[number % len(keys)]}, timeout=READ_SEC).json()
            found[str(job.get("phase"))] += 1
    return dict(found)


def report(outcome: Outcome, count: int) -> tuple[str, bool]:
    """The table, and whether nothing was refused, lost or doubled, and everything was answered in the promised time."""
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
    """Measures; 0 when every target was met, 1 when not or when it could not be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.burst",
        description=__doc__,
        epilog="The rehearsal's settings (STORE, TICK_SEC, ...) are taken from the environment; REPLICAS is 0.",
    )
    parser.add_argument("--jobs", type=int, default=450, help="submitted at once (default 450)")
    parser.add_argument("--clients", type=int, default=64, help="connections that submit (default 64)")
    parser.add_argument("--wait", type=float, default=240.0, help="seconds for Salad to get all (default 240)")
    parser.add_argument("--log", type=Path, help="keep the rehearsal's log in this file")
    options = parser.parse_args(arguments)
    if not 1 <= options.clients <= options.jobs:
        parser.error("there must be at least one client, and no more clients than jobs")
    os.environ["REPLICAS"] = "0"  # for the rehearsal below: nothing may take a job away while they are counted
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
    sys.exit(130)  # as a shell has it for Ctrl-C; the rehearsal is gone by now
