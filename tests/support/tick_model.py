"""A model of the system around the tick's handlers: a store in memory, and a Salad and a bucket that say anything.

The handlers, the dispatcher and the state machine are the real ones. Every draw is an argument, so that a property test
can search all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any, cast

from avatar_jobs.domain.errors import AvatarError, ProviderError
from avatar_jobs.domain.job.changes import deadline_of
from avatar_jobs.domain.job.due_timers import due_timer
from avatar_jobs.domain.job.events import Event
from avatar_jobs.domain.job.model import Job
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.domain.rate_budget import CallBucket, CallShare
from avatar_jobs.domain.salad import JobPage, QueueJob, SaladJob
from avatar_jobs.domain.upload_keys import KeyPage, UploadKey, key_name, read_key
from avatar_jobs.ports.jobs import JobStore, StoredJob, Updated
from avatar_jobs.ports.salad import SaladApi
from avatar_jobs.ports.storage import OutputStore, StoredObject
from avatar_jobs.services.callbacks.batch import CallbackBatch
from avatar_jobs.services.dispatch.dispatcher import Dispatcher
from avatar_jobs.services.outcome.finisher import Finisher
from avatar_jobs.services.outcome.verifier import Verifier
from avatar_jobs.services.tick.housekeeper import Housekeeper, TickContext
from avatar_jobs.services.tick.key_sweeper import KeySweeper
from avatar_jobs.services.tick.reconciler import Reconciler
from tests.support.factories import NOW, a_job, an_output

PERIOD = timedelta(minutes=1)
BUCKET, PREFIX = "videos", "out/"


class DiedError(BaseException):
    """The process died in the middle of a call."""


def _fault(status: int | None, *, may_have_happened: bool) -> ProviderError:
    return ProviderError("fault of the model", status=status, retryable=True, may_have_happened=may_have_happened)


class MemoryStore:
    """The one job, as the JobStore port keeps it."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def get(self, job_id: str) -> StoredJob | None:
        return StoredJob(self.job, "") if job_id == self.job.id else None

    def update(self, job_id: str, change: Callable[[Job], Job], known: StoredJob | None = None) -> Updated | None:
        before, self.job = self.job, change(self.job)
        return Updated(before, StoredJob(self.job, ""))


@dataclass
class SaladJobs:
    """What is really at Salad, and what it says: `says` gives one word for each call."""

    says: Iterator[str]
    jobs: dict[str, SaladJob] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def create_queue_job(self, job_input: dict[str, Any], metadata: dict[str, Any], webhook: str) -> str:
        word = next(self.says)
        if word in ("refused", "absent"):
            raise _fault(429, may_have_happened=False)
        new = f"salad-{next(self.ids)}"
        if word != "lost before":
            self.jobs[new] = SaladJob(
                new, "pending", None, job_id=metadata["job_id"], attempt=metadata["attempt"], request_id="r"
            )
        if word == "died":
            raise DiedError
        if word in ("lost", "lost before", "down"):
            raise _fault(None, may_have_happened=True)
        return new

    def get_queue_job(self, salad_job_id: str) -> QueueJob | None:
        word = next(self.says)
        if word in ("down", "lost", "lost before", "died"):
            raise _fault(503, may_have_happened=False)
        if word == "garbage":
            return None
        if word == "absent" or salad_job_id not in self.jobs:
            raise _fault(404, may_have_happened=False)
        real = self.jobs[salad_job_id]
        status, output = said(word, real)
        return QueueJob(salad_job_id, status, output)

    def list_queue_jobs(self, page: int, page_size: int) -> JobPage:
        word = next(self.says)
        if word in ("down", "lost", "died"):
            raise _fault(None, may_have_happened=False)
        shown = () if word in ("absent", "garbage") else tuple(self.jobs.values())
        return JobPage(shown, is_last=word not in ("absent", "refused", "garbage"))

    def delete_queue_job(self, salad_job_id: str) -> None:
        if next(self.says) == "down":
            raise _fault(503, may_have_happened=True)
        self.end(salad_job_id, "cancelled", only="pending")

    def end(self, salad_job_id: str, status: str, only: str | None = None) -> None:
        """Changes what is really there."""
        one = self.jobs[salad_job_id]
        if only is None or one.status == only:
            self.jobs[salad_job_id] = SaladJob(
                one.id, status, one.output, job_id=one.job_id, attempt=one.attempt, request_id=one.request_id
            )


def said(word: str, real: SaladJob) -> tuple[str, Any]:
    """Returns status and output of a queue job as a Salad or a node says them, truthfully or not."""
    answers: dict[str, dict[str, Any]] = {
        "ok": {"status": "ok", "output": an_output(bucket=BUCKET, key=f"{PREFIX}{real.job_id}.mp4").model_dump()},
        "superseded": {"status": "superseded"},
        "input error": {"status": "error", "error": {"code": "face_not_detected", "message": "m", "stage": "s"}},
        "gpu error": {"status": "error", "error": {"code": "gpu_fault", "message": "m", "stage": "s"}},
    }
    if word in answers:
        return "succeeded", {"job_id": real.job_id, "attempt": real.attempt, "run_id": "r", **answers[word]}
    if word in ("pending", "running", "failed", "cancelled", "a word of a later release"):
        return word, None
    return real.status, real.output


@dataclass
class Keys:
    """The storage's keys by id."""

    clock: Callable[[], datetime]
    living: dict[str, str] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def mint(self, job_id: str, attempt: int, expires_at: datetime, now: datetime) -> UploadKey:
        key_id = f"key-{next(self.ids):06}"
        self.living[key_id] = key_name(job_id, attempt, now)
        return UploadKey("https://b2.example", key_id, "secret", BUCKET, PREFIX)

    def revoke(self, key_id: str) -> None:
        self.living.pop(key_id, None)

    def list_keys(self, start: str | None) -> KeyPage:
        read = [read_key(key_id, name) for key_id, name in sorted(self.living.items()) if key_id >= (start or "")]
        return KeyPage([key for key in read if key], None)


@dataclass
class Bucket:
    """The bucket: `says` gives one word for each look."""

    says: Iterator[str]

    def find(self, key: str) -> StoredObject | None:
        word = next(self.says)
        if word == "down":
            raise _fault(None, may_have_happened=False)
        return {"there": StoredObject(an_output().size_bytes), "short": StoredObject(1)}.get(word)


class World:
    """One job with everything around it. Time moves by its methods alone."""

    def __init__(self, salad_says: Iterator[str], bucket_says: Iterator[str], **job_input: Any) -> None:
        self.now = NOW
        self.store = MemoryStore(a_job(**job_input))
        self.salad = SaladJobs(salad_says)
        self.keys = Keys(self.clock)
        store, log = cast(JobStore, self.store), lambda event, **fields: None
        salad, outputs = cast(SaladApi, self.salad), cast(OutputStore, Bucket(bucket_says))
        callbacks = cast(CallbackBatch, _NoCallbacks())
        verifier = Verifier(store=store, outputs=outputs, clock=self.clock, log=log, prefix=PREFIX)
        self.finisher = Finisher(
            store=store, verifier=verifier, callbacks=callbacks, clock=self.clock, log=log, bucket=BUCKET, prefix=PREFIX
        )
        self.reconciler = Reconciler(store=store, salad=salad, finisher=self.finisher, clock=self.clock, log=log)
        self.dispatcher = Dispatcher(
            store=store, salad=salad, clock=self.clock, log=log, jitter=lambda: 0.0, base_url="https://api.example",
            token_secret="t" * 32, upload_keys=self.keys, has_call=lambda: True,
        )  # fmt: skip
        self.housekeeper = Housekeeper(
            store=store, outputs=outputs, dispatcher=self.dispatcher, verifier=verifier, finisher=self.finisher,
            reconciler=self.reconciler, callbacks=callbacks, upload_keys=self.keys, clock=self.clock, log=log,
            prefix=PREFIX, period=PERIOD,
        )  # fmt: skip
        self.sweeper = KeySweeper(store=store, upload_keys=self.keys, clock=self.clock, log=log)
        self.claimed_until = NOW
        self.dispatch()  # by the request that made the job

    @property
    def job(self) -> Job:
        return self.store.job

    def clock(self) -> datetime:
        return self.now

    def dispatch(self) -> None:
        """Sends the claimed attempt; the sender may die."""
        with suppress(DiedError):
            self.dispatcher.send(StoredJob(self.job, ""))

    def apply(self, make: Callable[[Job, datetime], Event]) -> None:
        """Lets an event happen now."""
        event = make(self.job, self.now)
        updated = self.store.update(self.job.id, lambda job: transition(job, event))
        assert updated is not None
        self.finisher.announce(updated)

    def webhook(self, attempt: int, word: str) -> None:
        """Lets Salad's webhook arrive about the newest Salad job of an attempt, whatever really happened there."""
        real = [one for one in self.salad.jobs.values() if one.attempt == attempt]
        if real:
            status, output = said(word, real[-1])
            if status in ("succeeded", "failed", "cancelled"):
                self.salad.end(real[-1].id, status)
            self.finisher.apply_salad_result(
                SaladJob(real[-1].id, status, output, job_id=self.job.id, attempt=attempt, request_id="r")
            )

    def tick(self) -> None:
        """Lets a period pass and one tick work; a tick that dies leaves the rest to the next one."""
        self.now += PERIOD
        share = CallShare(CallBucket(100), CallBucket(5), self.now, lambda: True)
        context = TickContext(share=share, stop_at=self.now + PERIOD)
        timer = due_timer(self.job, self.now)
        with suppress(AvatarError, DiedError):
            if timer:
                self.housekeeper.act(timer, StoredJob(self.job, ""), context)
            self.reconciler.scan(context.unknown, share)
            self.sweeper.sweep(context.stop_at)
        if self.job.claimed_result:
            self.claimed_until = self.now

    def is_overdue(self) -> bool:
        """Returns whether the job should have ended: two ticks after its deadline, or after its last claim."""
        due = max(deadline_of(self.job), self.claimed_until) + 2 * PERIOD
        return not self.job.status.is_terminal and self.now > due

    def at_salad(self) -> Sequence[SaladJob]:
        """Returns what really still waits or runs at Salad."""
        return [one for one in self.salad.jobs.values() if not one.is_over]


class _NoCallbacks:
    """The model's apps want no callbacks."""

    def deliver(self, leased: StoredJob, timeout_sec: float) -> bool:
        return False
