"""A queue job as Salad tells of it, in a webhook or in an answer of its API."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from avatar_jobs.domain.job.model import JOB_ID_FORM


class SaladMetadata(BaseModel):
    """What we wrote into the queue job's metadata when we made it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    job_id: str = Field(pattern=f"^{JOB_ID_FORM.pattern}$")
    attempt: int
    request_id: str = ""


class SaladJob(BaseModel):
    """A queue job that carries our metadata; status is Salad's own word, output the worker's body as parsed JSON."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    status: str
    metadata: SaladMetadata
    output: Any = None

    @property
    def is_over(self) -> bool:
        """True when Salad does nothing with it any more."""
        return self.status in ("succeeded", "failed", "cancelled")

    @property
    def job_id(self) -> str:
        """Our id of the job."""
        return self.metadata.job_id

    @property
    def attempt(self) -> int:
        """Our number of the attempt."""
        return self.metadata.attempt

    @property
    def request_id(self) -> str:
        """The request that made the job."""
        return self.metadata.request_id


def read_webhook(body: bytes) -> SaladJob | None:
    """Reads the body of an authentic webhook; None when it does not speak of one of our jobs.

    Parsed leniently: it carries what a worker answered, and rubbish in there must not make Salad repeat itself.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return read_salad_job(document.get("data")) if isinstance(document, dict) else None


def read_salad_job(document: Any) -> SaladJob | None:
    """Reads one queue job; None when it is not one of ours (another program may feed the same queue)."""
    try:
        return SaladJob.model_validate(document)
    except ValidationError:
        return None
