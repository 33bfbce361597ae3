"""Draws everything that happens in a soak from one seed: jobs, faults of Salad and B2, and blows against processes."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

CLIENTS = ("alpha", "beta", "gamma")

# What a worker does with one attempt (worker.py), with the weight of each. Most are honest: a soak in which everything
# fails would show little.
ORDERS = {
    "honest": 60, "quick": 12, "slow": 10, "no_reports": 4, "crash": 3, "refuse": 3, "malformed": 2, "deep": 2,
    "numbers": 2, "no_file": 2, "superseded": 2, "hang": 1,
}  # fmt: skip
GOOD = frozenset({"honest", "quick", "slow", "no_reports"})
PERMANENT = "face_not_detected"  # a job whose every attempt says so
PERMANENT_SHARE = 0.05

# How a receiver of callbacks behaves (receivers.py). A good one always answers 2xx in the end.
MANNERS = {
    "good": 55, "slow": 5, "once_500": 5, "interim": 3, "none": 12, "status_500": 3, "status_410": 3, "redirect": 2,
    "cut": 3, "drip": 2, "hang": 2, "retry_after_long": 3, "retry_after_words": 1, "many_headers": 1,
}  # fmt: skip
GOOD_MANNERS = frozenset({"good", "slow", "once_500", "interim"})

CANCEL_SHARE = 0.12

# Metadata that apps may really send, and that stores, logs and JSON writers have stumbled over.
METADATA: tuple[dict[str, Any], ...] = (
    {}, {"order": 1}, {"": ""}, {"__proto__": {"a": 1}}, {"a.b`c/d": [[[]]]}, {"text": "\u2028\u2029\u0000 \U0001f600"},
    {"big": 10**30}, {"small": 5e-324}, {"nested": [[[[[[[[1]]]]]]]]}, {"id": "x", "status": "succeeded"},
    {"long": "x" * 3900}, {"rtl": "\u202eevil"}, {"lone": "\ud800"},
)  # fmt: skip

# The one that the API refuses: half of a surrogate pair is no text.
METADATA_IS_ODD = tuple("lone" in one for one in METADATA)

# Faults of the Salad simulator: for each operation that the functions call, each fault of the contract.
_HTTP_FAULTS: tuple[dict[str, Any], ...] = (
    {"status": 503}, {"status": 502, "html": True}, {"status": 429, "retry_after": 2}, {"status": 500},
    {"delay_sec": 3}, {"delay_sec": 12}, {"cut": "before"}, {"cut": "after"},
)  # fmt: skip
_WEBHOOK_FAULTS: tuple[dict[str, Any], ...] = (
    {"lose": True}, {"double": True}, {"late_sec": 5}, {"forge": True}, {"cut": "before"}, {"cut": "after"},
    {"status": 503}, {"status": 410}, {"delay_sec": 4},
)  # fmt: skip
_B2_FAULTS: tuple[dict[str, Any], ...] = (
    {"status": 503, "retry_after": 1}, {"status": 500}, {"status": 429}, {"status": 502, "html": True},
    {"delay_sec": 3}, {"delay_sec": 12}, {"cut": "before"}, {"cut": "after"},
)  # fmt: skip
# what the functions call, and what workers call; `s3` is the look whether a video is there
OF_B2 = ("b2_authorize_account", "b2_create_key", "b2_delete_key", "b2_get_upload_url", "b2_upload_file", "s3")
OFTEN_CALLED = ("create_queue_job", "get_queue")
SELDOM_CALLED = ("get_queue_job", "list_queue_jobs")
DELETE = "delete_queue_job"  # called only for a job that still waits at Salad when it is cancelled: three faults, once
_DELETE_FAULTS: tuple[dict[str, Any], ...] = ({"status": 503}, {"cut": "before"}, {"cut": "after"})

# Who is struck, how often compared with the others, and whether a kill is possible: the emulator would lose its store.
TARGETS = {
    "submit_job": 4, "submit_job-2": 4, "job_status": 3, "job_status-2": 3, "salad_webhook": 4, "salad_webhook-2": 4,
    "scale_tick": 5, "gateway": 1, "salad_sim": 1, "b2_sim": 2, "firestore": 1, "worker": 6, "worker_process": 4,
}  # fmt: skip
NEVER_KILLED = frozenset({"firestore"})


@dataclass(frozen=True)
class JobPlan:
    """One job. at: seconds from the beginning; orders: of the attempts; cancel_after: seconds, None for never."""

    number: int
    at: float
    client: str
    orders: tuple[str, ...]
    manner: str
    metadata: int
    start_sec: int
    run_sec: int
    cancel_after: float | None

    @property
    def may_succeed(self) -> bool:
        """Says whether some attempt makes a video."""
        return any(order in GOOD for order in self.orders)


@dataclass(frozen=True)
class FaultPlan:
    """One fault of a simulator, salad or b2."""

    at: float
    system: str
    operation: str
    fault: dict[str, Any]
    times: int


@dataclass(frozen=True)
class Blow:
    """One blow. kind: kill, or stop for so many seconds; target: of TARGETS; which: picks one of several workers."""

    at: float
    kind: str
    target: str
    seconds: float
    which: float


@dataclass(frozen=True)
class SoakPlan:
    """Everything that happens. bad_sec: how long the bad days last."""

    seed: int
    bad_sec: float
    jobs: tuple[JobPlan, ...]
    faults: tuple[FaultPlan, ...]
    blows: tuple[Blow, ...]

    def text(self) -> str:
        """Returns the plan as JSON lines: the same for the same seed and settings."""
        head = {"seed": self.seed, "bad_sec": self.bad_sec, "jobs": len(self.jobs)}
        rows: Sequence[Any] = (*self.faults, *self.blows, *self.jobs)
        return "\n".join(json.dumps(row) for row in (head, *map(asdict, rows))) + "\n"


def draw(seed: int, jobs: int, bad_sec: float, *, store: str, short_deadlines: bool) -> SoakPlan:
    """Draws a soak. bad_sec: how long jobs come and things break; short_deadlines: the end comes within a minute."""
    chance = random.Random(f"{seed}/{jobs}/{bad_sec}/{store}/{short_deadlines}")
    job_plans = tuple(_job(chance, number, bad_sec, short_deadlines) for number in range(jobs))
    faults = tuple(sorted(_faults(chance, jobs, bad_sec, short_deadlines), key=lambda one: one.at))
    blows = tuple(_blows(chance, bad_sec, store, short_deadlines))
    return SoakPlan(seed, bad_sec, job_plans, faults, blows)


def _pick(chance: random.Random, weights: dict[str, int]) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]


def _job(chance: random.Random, number: int, bad_sec: float, short_deadlines: bool) -> JobPlan:
    if chance.random() < PERMANENT_SHARE:
        orders: tuple[str, ...] = (PERMANENT,) * 3
    else:
        orders = tuple(_pick(chance, ORDERS) for _ in range(3))
    return JobPlan(
        number=number,
        at=round(chance.uniform(0, bad_sec * 0.9), 2),
        client=chance.choice(CLIENTS),
        orders=orders,
        manner=_pick(chance, MANNERS),
        metadata=chance.randrange(len(METADATA)),
        start_sec=chance.randint(50, 70) if short_deadlines else chance.randint(120, 300),
        run_sec=chance.randint(15, 25) if short_deadlines else chance.randint(60, 150),
        cancel_after=round(chance.uniform(0, 5), 2) if chance.random() < CANCEL_SHARE else None,
    )


def _faults(chance: random.Random, jobs: int, bad_sec: float, short_deadlines: bool) -> list[FaultPlan]:
    """Each fault at least once: those of operations that are seldom called early, so that there is time for them."""
    seldom = () if short_deadlines else SELDOM_CALLED
    of_b2 = _B2_FAULTS[:1] + _B2_FAULTS[-1:] if short_deadlines else _B2_FAULTS
    lost_key = ("b2_create_key", {"cut": "after"})  # the tick looks for keys that nobody knows every three minutes only
    kinds = [("salad", name, fault, 0.7) for name in OFTEN_CALLED for fault in _HTTP_FAULTS]
    kinds += [("salad", name, fault, 0.3) for name in seldom for fault in _HTTP_FAULTS]
    kinds += [("salad", DELETE, fault, 0.3) for fault in (() if short_deadlines else _DELETE_FAULTS)]
    kinds += [("salad", "webhook", fault, 0.7) for fault in _WEBHOOK_FAULTS]
    kinds += [
        ("b2", name, fault, 0.7)
        for name in OF_B2
        for fault in of_b2
        if not (short_deadlines and (name, fault) == lost_key)
    ]
    return [
        FaultPlan(
            round(chance.uniform(0, bad_sec * latest), 2),
            system,
            operation,
            fault,
            1 if operation == DELETE else chance.randint(1, 2),
        )
        for _ in range(max(1, jobs // 200))
        for system, operation, fault, latest in kinds
    ]


def _blows(chance: random.Random, bad_sec: float, store: str, short_deadlines: bool) -> list[Blow]:
    found: list[Blow] = []
    at = chance.uniform(1, 4)
    targets = {name: weight for name, weight in TARGETS.items() if name != "firestore" or store == "firestore"}
    while at < bad_sec:
        target = _pick(chance, targets)
        kind = "stop" if target in NEVER_KILLED or chance.random() < 0.4 else "kill"
        if short_deadlines and target == "b2_sim":
            kind = "kill"  # a B2 that is frozen makes keys that nobody knows, when it goes on
        seconds = chance.choice([0.5, 2.0, 6.0, 20.0]) if kind == "stop" else 0.0
        found.append(Blow(round(at, 2), kind, target, min(seconds, bad_sec / 3), chance.random()))
        at += chance.uniform(1, 5)
    return found
