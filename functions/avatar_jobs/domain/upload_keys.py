"""A storage key for one job's outputs alone: all that a worker gets of the bucket."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

CAPABILITIES = ("readFiles", "writeFiles")  # look whether the video is there, and put it there; no list, no delete
# A storage that is away for hours makes a key for each of many lost dispatches; the oldest end by themselves.
MAX_REMEMBERED = 32


@dataclass(frozen=True)
class UploadKey:
    """endpoint: the storage API's base URL; prefix: the bucket's folder for videos; the key opens less of it."""

    endpoint: str
    key_id: str
    app_key: str = field(repr=False)  # never in a log
    bucket: str
    prefix: str

    def as_wire(self) -> dict[str, Any]:
        """The `upload` of a worker's input."""
        return {
            "endpoint": self.endpoint,
            "key_id": self.key_id,
            "app_key": self.app_key,
            "bucket": self.bucket,
            "prefix": self.prefix,
        }


def name_prefix(prefix: str, job_id: str) -> str:
    """What the names must begin with that a job's key opens: its video and its sidecar, and no other job's."""
    return f"{prefix}{job_id}."


def lifetime(expires_at: datetime, now: datetime) -> timedelta:
    """How long a key made now shall live: to the end of the job's credentials, in whole seconds, at least one."""
    return max(timedelta(seconds=1), timedelta(seconds=int((expires_at - now).total_seconds())))


def with_key_id(known: tuple[str, ...], new: str | None) -> tuple[str, ...]:
    """The ids of a job's keys with a new one, each once, the newest MAX_REMEMBERED of them."""
    if new is None or new in known:
        return known
    return (*known, new)[-MAX_REMEMBERED:]
