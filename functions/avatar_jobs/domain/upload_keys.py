"""Storage keys that give a worker access to the outputs of one job and to nothing else in the bucket."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

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
