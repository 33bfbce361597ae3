"""Storage keys that give a worker access to the outputs of one job and to nothing else in the bucket."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

CAPABILITIES = ("readFiles", "writeFiles")  # check for the video and upload it; no listing, no deleting
# During a long outage of Salad every lost dispatch leaves a key. The oldest are forgotten here and expire at B2.
MAX_REMEMBERED = 32


@dataclass(frozen=True)
class UploadKey:
    """A storage key with the place that it opens.

    endpoint: the storage API's base URL; prefix: the bucket's folder for videos; the key opens one job's names in it.
    """

    endpoint: str
    key_id: str
    app_key: str = field(repr=False)  # never in a log
    bucket: str
    prefix: str


@dataclass(frozen=True)
class ListedKey:
    """A key of this system as the storage lists it. made_at: None for a key of an earlier release."""

    key_id: str
    job_id: str
    attempt: int
    made_at: datetime | None


@dataclass(frozen=True)
class KeyPage:
    """One page of the storage's list of keys, those of this system. next_start: where the next one begins, or None."""

    keys: Sequence[ListedKey]
    next_start: str | None


KEY_NAME = re.compile(r"avatar-([A-Za-z0-9_-]{8,64}?)-(\d{1,4})(?:-(\d{9,11}))?")


def key_name(job_id: str, attempt: int, now: datetime) -> str:
    """Returns the name of a new key. It holds job, attempt and time, so that a key nobody wrote down is found again."""
    return f"avatar-{job_id}-{attempt}-{int(now.timestamp())}"


def read_key(key_id: str, name: str) -> ListedKey | None:
    """Returns a key by its name, None when another program has named it."""
    read = KEY_NAME.fullmatch(name)
    if read is None:
        return None
    job_id, attempt, made_sec = read.groups()
    made_at = datetime.fromtimestamp(int(made_sec), UTC) if made_sec else None
    return ListedKey(key_id, job_id, int(attempt), made_at)


def name_prefix(prefix: str, job_id: str) -> str:
    """Returns the beginning of the names that a job's key opens: its video and its sidecar, and no other job's."""
    return f"{prefix}{job_id}."


def lifetime(expires_at: datetime, now: datetime) -> timedelta:
    """Returns how long a new key is valid: until the job's credentials expire, in whole seconds, at least one."""
    return max(timedelta(seconds=1), timedelta(seconds=int((expires_at - now).total_seconds())))


def with_key_id(known: tuple[str, ...], new: str | None) -> tuple[str, ...]:
    """Returns the ids of a job's keys with the new one: each once, the newest MAX_REMEMBERED of them."""
    if new is None or new in known:
        return known
    return (*known, new)[-MAX_REMEMBERED:]
