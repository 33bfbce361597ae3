"""The books of a soak: what must hold of every job, of Salad, of the bucket and of the processes when all is quiet."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.soak.clients import SoakJob
from tests.soak.plan import GOOD_MANNERS, METADATA_IS_ODD, PERMANENT
from tests.soak.receivers import Delivery

TERMINAL = ("succeeded", "failed", "cancelled")
SLACK_SEC = 10.0  # a loaded machine's own delays
FRESH_SEC = 60.0  # a receiver that obeys Standard Webhooks allows five minutes; a try lasts 15 s
GROWTH_BOUND = 1.3  # of resident memory, last third over first third
ACCEPTED_SHARE, SUCCEEDED_SHARE = 0.8, 0.5  # fewer would mean that the soak shows nothing
# Ends that bad days excuse; every other error of a job must be one that its worker gave.
EXCUSED = {"queue_timeout", "run_timeout", "attempts_exhausted", "worker_interrupted", "internal", "gpu_fault",
           "output_verification_failed", "upload_failed"}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. job: the id of the job that it is about, None for none."""

    text: str
    job: str | None = None


def job_faults(job: SoakJob, shown: Mapping[str, Any], quiet_at: datetime, tick_sec: float) -> Iterable[Fault]:
    """Yields what is wrong with one accepted job. shown: as GET shows it at the end; quiet_at: when all was well."""
    job_id = str(job.id)
    yield from (Fault(text, job_id) for text in job.faults)
    if shown["status"] not in TERMINAL:
        yield Fault(f"it is still {shown['status']} ({shown['phase']}), its limit was {limit(shown)}", job_id)
        return
    late = (moment(shown["finished_at"]) - max(limit(shown), quiet_at)).total_seconds()
    if late > 2 * tick_sec + SLACK_SEC:
        yield Fault(f"it ended {late:.0f} s after its deadline", job_id)
    yield from (Fault(text, job_id) for text in _outcome_faults(job, shown))


def _outcome_faults(job: SoakJob, shown: Mapping[str, Any]) -> Iterable[str]:
    status, code = shown["status"], (shown["error"] or {}).get("code")
    if status == "succeeded":
        if not job.plan.may_succeed:
            yield f"it succeeded although no attempt made a video: {job.plan.orders}"
        if shown["error"] or shown["progress"] != 1.0 or not shown["output_url"]:
            yield f"it succeeded with error {shown['error']}, progress {shown['progress']}"
    if status == "cancelled" and job.plan.cancel_after is None:
        yield "it was cancelled although nobody asked"
    if status == "failed" and code not in EXCUSED and code not in job.plan.orders:
        yield f"it failed with {code}, which its worker never said"
    if job.plan.orders[0] == PERMANENT and status == "failed" and code not in {PERMANENT, *EXCUSED}:
        yield f"it failed with {code} instead of {PERMANENT}"


def callback_faults(
    job: SoakJob, shown: Mapping[str, Any], received: Sequence[Delivery], secret: str
) -> Iterable[Fault]:
    """Yields what is wrong with the callbacks of one job that is done."""
    job_id, manner = str(job.id), job.plan.manner
    if len({one.headers.get("webhook-id") for one in received}) > 1:
        yield Fault("its callbacks have more than one webhook-id", job_id)
    for one in received:
        told = json.loads(one.body)
        if not _is_signed(one, secret):
            yield Fault("a callback's signature is wrong, or was too old when it came", job_id)
        if (told["id"], told["status"]) != (job_id, shown["status"]):
            yield Fault(f"a callback says {told['id']} {told['status']}", job_id)
        if json.dumps(json.loads(one.body), separators=(",", ":"), ensure_ascii=False).encode() != one.body:
            yield Fault("a callback's body is not compact JSON", job_id)
    if manner in GOOD_MANNERS and not any(one.is_accepted for one in received):
        yield Fault(f"its callback never arrived at a receiver that is {manner}: {shown['webhook']}", job_id)
    if manner in GOOD_MANNERS and (shown["webhook"] or {}).get("state") != "delivered":
        yield Fault(f"its callback was not recorded as delivered: {shown['webhook']}", job_id)
    if manner == "status_410" and (shown["webhook"] or {}).get("state") != "failed":
        yield Fault(f"a 410 did not stop its callbacks: {shown['webhook']}", job_id)


def _is_signed(one: Delivery, secret: str) -> bool:
    """Says whether the signature is right and was fresh at its arrival; the books are kept long after that."""
    stamp = one.headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(int(stamp) - one.at) > FRESH_SEC:
        return False
    signed_at = datetime.fromtimestamp(int(stamp), UTC)
    right = Webhook(secret).sign(one.headers.get("webhook-id", ""), signed_at, one.body.decode())
    return right in one.headers.get("webhook-signature", "").split(" ")


def salad_faults(state: Mapping[str, Any]) -> Iterable[Fault]:
    """Yields what is left at Salad: every job there must be over."""
    for one in state["jobs"]:
        if one["status"] in {"pending", "running"}:
            yield Fault(f"Salad's job {one['id']} is still {one['status']}", (one["metadata"] or {}).get("job_id"))


def verified_elsewhere(jobs: Iterable[tuple[SoakJob, Mapping[str, Any]]], files: set[str]) -> Iterable[Fault]:
    """Yields jobs that succeeded without a file."""
    for job, shown in jobs:
        if shown["status"] == "succeeded" and not any(name.endswith(f"/{job.id}.mp4") for name in files):
            yield Fault("it succeeded, but its file is not in the bucket", str(job.id))


def key_faults(state: Mapping[str, Any]) -> Iterable[Fault]:
    """Yields the storage keys that live although every job is over. The master key is the account's own."""
    for key in state["keys"]:
        if key["name"] != "master":
            yield Fault(f"the storage key {key['name']} for {key['prefix']} still lives")


def fault_faults(happened: Mapping[str, int]) -> Iterable[Fault]:
    """Yields planned faults that never happened. happened: by the fault's text."""
    for text, count in happened.items():
        if count == 0:
            yield Fault(f"the planned fault never happened: {text}")


def event_faults(
    finished: Mapping[str, int], undocumented: Mapping[str, int], ticks: Mapping[str, int]
) -> Iterable[Fault]:
    """Yields jobs that ended twice, answers that are not documented, and ticks that answered an error."""
    for job_id, count in finished.items():
        if count > 1:
            yield Fault(f"it ended {count} times", job_id)
    for text, count in undocumented.items():
        yield Fault(f"an answer that is not documented, {count} times: {text}")
    for status, count in ticks.items():
        if status.isdigit() and int(status) == 500:
            yield Fault(f"the tick answered {status}, {count} times")


def memory_faults(growth: Mapping[str, float]) -> Iterable[Fault]:
    """Yields processes whose memory grew."""
    for name, ratio in growth.items():
        if ratio > GROWTH_BOUND:
            yield Fault(f"the memory of {name} grew to {ratio:.2f} times of what it was")


def refusal_faults(jobs: Iterable[SoakJob]) -> Iterable[Fault]:
    """Yields submissions that were refused, or never answered, although nothing was wrong with them."""
    for job in jobs:
        if job.id is None and not METADATA_IS_ODD[job.plan.metadata]:
            yield Fault(f"job {job.plan.number} was not accepted: {job.refused}")


def share_faults(jobs: Sequence[SoakJob], ends: Counter[str]) -> Iterable[Fault]:
    """Yields a soak that shows nothing because too little was accepted or went well."""
    accepted = [job for job in jobs if job.id is not None]
    if len(accepted) < ACCEPTED_SHARE * len(jobs):
        refused = Counter(job.refused for job in jobs if job.id is None).most_common(3)
        yield Fault(f"only {len(accepted)} of {len(jobs)} jobs were accepted: {refused}")
    hopeful = sum(job.plan.may_succeed and job.plan.cancel_after is None for job in accepted)
    if ends["succeeded"] < SUCCEEDED_SHARE * hopeful:
        yield Fault(f"only {ends['succeeded']} of {hopeful} jobs that could succeed did: {dict(ends)}")


def limit(shown: Mapping[str, Any]) -> datetime:
    """Returns the latest moment at which the job may end by itself."""
    asked = shown["input"]
    start = moment(shown["created_at"]).timestamp() + asked["start_timeout_seconds"]
    run = moment(shown["started_at"]).timestamp() + asked["run_timeout_seconds"] if shown["started_at"] else 0.0
    return datetime.fromtimestamp(max(start, run), UTC)


def moment(text: str) -> datetime:
    """Reads a time of the API."""
    return datetime.fromisoformat(text)
