"""The report that a worker posts while it runs a job."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from avatar_jobs.domain.job.events import RunReported
from avatar_jobs.domain.job.model import Phase
from avatar_jobs.protocol import problem
from avatar_jobs.protocol.requests import TOKEN_FORM
from avatar_jobs.protocol.worker_result import WireError

WIRE_VERSIONS = (0, 1)  # reports of workers of this release and of the one before


class ReportBody(BaseModel):
    """The body of a worker's report; unknown fields are ignored, because a newer worker may send more."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: Literal[WIRE_VERSIONS]  # type: ignore[valid-type]
    attempt: int = Field(ge=1, le=1000)
    run_id: str = Field(pattern=f"^{TOKEN_FORM.pattern}$")
    seq: int = Field(ge=0, le=10_000_000)
    phase: Literal[
        Phase.STARTING,
        Phase.DOWNLOADING,
        Phase.PREPARING,
        Phase.GENERATING,
        Phase.ENCODING,
        Phase.UPLOADING,
        Phase.VERIFYING,
    ]
    progress: float = Field(ge=0.0, le=1.0, allow_inf_nan=False)
    stage_times: dict[str, float] = Field(default_factory=dict, max_length=40)
    error: WireError | None = None

    def event(self, at: datetime) -> RunReported:
        """Returns the report as an event of the job. at: when it arrived."""
        return RunReported(
            at=at,
            attempt=self.attempt,
            run_id=self.run_id,
            seq=self.seq,
            phase=self.phase,
            progress=self.progress,
            error=self.error.as_job_error() if self.error else None,
        )


def checked_report(value: Any) -> ReportBody:
    """Returns the parsed report. Raises ApiError validation_error with each fault by field."""
    try:
        return ReportBody.model_validate(value)
    except ValidationError as error:
        raise problem.faults(error.errors()) from error
