"""Reads Salad's queue jobs, from a webhook or from an answer of its API."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from avatar_jobs.domain.job.model import JOB_ID_FORM
from avatar_jobs.domain.salad import JobPage, QueueJob, SaladJob
from avatar_jobs.protocol.outside_json import read_json


class _Metadata(BaseModel):
    """The metadata that the dispatch wrote into the queue job."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    job_id: str = Field(pattern=f"^{JOB_ID_FORM.pattern}$")
    attempt: int
    request_id: str = ""


class _Document(BaseModel):
    """A queue job, no matter which program created it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    status: str
    output: Any = None


class _OwnDocument(_Document):
    """A queue job with our metadata."""

    metadata: _Metadata


def read_webhook(body: bytes) -> SaladJob | None:
    """Reads the body of an authentic webhook. Returns None when it is not about one of our jobs.

    Never raises: the body contains a worker's answer, and an error would make Salad send the same webhook again.
    """
    try:
        document = read_json(body)
    except ValueError:  # not JSON, or over the limits of what is parsed
        return None
    return read_salad_job(document.get("data")) if isinstance(document, dict) else None


def read_salad_job(document: Any) -> SaladJob | None:
    """Reads one of our queue jobs. Returns None for other documents: another program may feed the same queue."""
    try:
        read = _OwnDocument.model_validate(document)
    except ValidationError:
        return None
    ours = read.metadata
    return SaladJob(
        id=read.id,
        status=read.status,
        output=read.output,
        job_id=ours.job_id,
        attempt=ours.attempt,
        request_id=ours.request_id,
    )


def read_queue_job(document: Any) -> QueueJob | None:
    """Reads one queue job, whatever its metadata. Returns None when the document is not a queue job."""
    try:
        read = _Document.model_validate(document)
    except ValidationError:
        return None
    return QueueJob(read.id, read.status, read.output)


def read_job_page(answer: Mapping[str, Any], page_size: int) -> JobPage:
    """Reads one page of the queue's history; a page that is not full is the last one."""
    listed = answer.get("items")
    items = listed if isinstance(listed, list) else []
    return JobPage(tuple(filter(None, map(read_salad_job, items))), is_last=len(items) < page_size)
