"""The simulator's whole state behind one lock, which is also notified of each change."""

import secrets
import threading
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from infra.local.salad_sim.fleet import ContainerGroup, Instance
from infra.local.salad_sim.jobs import QueueJob


class ActionError(Exception):
    """A request that Salad would refuse; the HTTP layer answers it with problem details."""

    def __init__(self, status: int, detail: str) -> None:
        """status: HTTP status; detail: one sentence for the caller."""
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Queue:
    """One job queue of the project."""

    id: str
    name: str
    display_name: str
    description: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The gRPC stream that an instance opened last. closed_at: monotonic seconds, None while it is open.

    end_code: the gRPC status code with which the service ends it, "OK" for a normal end.
    """

    id: str
    closed_at: float | None = None
    end_code: str = "OK"


@dataclass(frozen=True, kw_only=True)
class SecretKey:
    """A webhook secret. text: base64; expires_at: monotonic seconds until which it signs, None for the current one."""

    text: str = field(repr=False)
    expires_at: float | None = None


@dataclass(kw_only=True)
class Clock:
    """The source of time; a test can replace it."""

    utc: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    monotonic: Callable[[], float] = field(default=monotonic)


@dataclass(kw_only=True)
class World:
    """The simulator's state. Hold `changed` to read or write more than one field, and notify it after a write."""

    webhook_keys: MutableMapping[str, SecretKey]  # by number, the current one last
    on_finished: Callable[[QueueJob], None]  # called under the lock for each job that ends: must not block
    clock: Clock = field(default_factory=Clock)
    new_id: Callable[[], str]
    changed: threading.Condition = field(default_factory=threading.Condition)
    queues: MutableMapping[str, Queue] = field(default_factory=dict)  # by name
    jobs: MutableMapping[str, QueueJob] = field(default_factory=dict)
    waiting: dict[str, list[str]] = field(default_factory=dict)  # queue name -> ids of pending jobs, next first
    groups: MutableMapping[str, ContainerGroup] = field(default_factory=dict)  # by name
    instances: dict[str, Instance] = field(default_factory=dict)
    in_flight: dict[str, str] = field(default_factory=dict)  # instance id -> job id
    streams: dict[str, Stream] = field(default_factory=dict)  # by instance id
    told_ready: dict[str, bool] = field(default_factory=dict)  # instance id -> last answer of its metadata service
    resting: dict[str, float] = field(default_factory=dict)  # instance id -> gets no job before (monotonic)
    token_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)  # signs the instances' tokens
    is_closing: bool = False


def merged(target: Any, patch: Any) -> Any:
    """Returns the target with a JSON merge patch (RFC 7396) applied. Neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
