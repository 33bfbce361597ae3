"""The wire format between the control plane and the worker: the fields of inputs, answers and reports.

Their names stand in this module alone. The sidecar's own fields stand in transfer/sidecar.py, those of Salad's metadata
service in adapters/imds.py.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpu_worker.domain import messages
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.domain.geometry import ASPECT_RATIOS, RESOLUTIONS
from gpu_worker.domain.progress import ProgressSnapshot

SCHEMA_VERSION = 1
ACCEPTED_VERSIONS = (SCHEMA_VERSION, SCHEMA_VERSION - 1)  # N and N-1, so that either side can be deployed first
NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")  # a job id becomes part of file names and object names
MAX_RUN_TIMEOUT = 86_400  # seconds, the API's limit
MAX_ATTEMPT = 1_000_000  # far over any real count; keeps absurd numbers out of logs and answers
MAX_SECONDS = 10_000_000  # 115 days: no job lives longer than a few days; more, or NaN, is a faulty answer


@dataclass(frozen=True)
class UploadKey:
    """A storage key for the outputs of one job. endpoint: the storage API's base URL, None for the worker's own."""

    endpoint: str | None
    key_id: str
    app_key: str
    bucket: str
    prefix: str


@dataclass(frozen=True)
class JobInput:
    """One job from the queue. run_timeout_seconds: the time for this run; report_url: None when no reports are
    wanted."""

    job_id: str
    attempt: int
    request_id: str | None
    video_url: str
    audio_url: str
    aspect_ratio: str
    resolution: str
    report_url: str | None
    report_token: str
    run_timeout_seconds: float
    upload: UploadKey | None
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: its status and its JSON body."""

    http_status: int
    body: dict[str, Any]

    @property
    def status(self) -> str:
        """The status of a run's answer: `ok`, `error` or `superseded`."""
        return str(self.body["status"])


@dataclass(frozen=True)
class StoredVideo:
    """A video in the bucket, the `output` object of an answer. duration_sec: of the video track."""

    bucket: str
    key: str
    size_bytes: int
    sha1: str
    duration_sec: float
    width: int
    height: int
    fps: float
    frames: int


@dataclass(frozen=True)
class Metrics:
    """The measurements of a run, the `metrics` object of an answer; None is unknown.

    Times in seconds; stages: by phase, and by stage of the engine under `engine.*`; cost_usd: only the control plane
    knows the price of the node.
    """

    generation_time_sec: float | None
    script_wall_time_sec: float
    peak_vram_mib: float | None
    peak_ram_kb: int | None
    stages: Mapping[str, float]
    frames: int
    engine: str
    gpu_class: str | None
    cost_usd: float | None = None


@dataclass(frozen=True)
class ReportAnswer:
    """The control plane's answer to a report. cancel: stop the run; remaining_sec: time left, None if it says
    nothing."""

    cancel: bool
    remaining_sec: float | None


class _Reader:
    """A reader of the fields of a JSON object, which collects every fault."""

    def __init__(self, fields: Mapping[str, Any], prefix: str = "") -> None:
        self._fields = fields
        self._prefix = prefix
        self.faults: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        value = self._fields.get(name, default)
        if isinstance(value, str) and value:
            return value
        return self._fault(name, "must be a non-empty string")

    def choice(self, name: str, allowed: Mapping[str, Any]) -> str:
        value = self._fields.get(name, "source")
        if isinstance(value, str) and value in allowed:
            return value
        return self._fault(name, f"must be one of {', '.join(allowed)}")

    def number(self, name: str, largest: float) -> float:
        value = self._fields.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= largest:
            return value
        self._fault(name, f"must be a number over 0, at most {largest:g}")
        return 0

    def _fault(self, name: str, rule: str) -> str:
        self.faults.append(f"{self._prefix}{name} {rule}")
        return ""


def read_job(body: Any) -> JobInput:
    """Reads the input of a queue job; raises JobError `internal` that names every faulty field.

    Unknown fields are ignored, since a newer control plane may send more.
    """
    if not isinstance(body, dict):
        raise _refused(["the body must be a JSON object"])
    version = body.get("schema_version")
    if isinstance(version, bool) or version not in ACCEPTED_VERSIONS:
        raise _refused([f"schema_version must be {' or '.join(map(str, ACCEPTED_VERSIONS))}"])
    reader = _Reader(body)
    job_id = reader.text("job_id")
    if job_id and not NAME.fullmatch(job_id):
        reader.faults.append("job_id must be 1-128 of A-Z, a-z, 0-9, '_' and '-'")
    attempt = reader.number("attempt", MAX_ATTEMPT)
    if attempt != int(attempt):
        reader.faults.append("attempt must be a whole number")
    report_url = reader.text("report_url") if body.get("report_url") is not None else None
    job = JobInput(
        job_id=job_id,
        attempt=int(attempt),
        request_id=reader.text("request_id") if body.get("request_id") is not None else None,
        video_url=reader.text("video_url"),
        audio_url=reader.text("audio_url"),
        aspect_ratio=reader.choice("aspect_ratio", ASPECT_RATIOS),
        resolution=reader.choice("resolution", RESOLUTIONS),
        report_url=report_url,
        report_token=reader.text("report_token") if report_url else "",
        run_timeout_seconds=reader.number("run_timeout_seconds", MAX_RUN_TIMEOUT),
        upload=_read_upload(body.get("upload"), reader.faults),
        params=_read_params(body.get("params"), reader.faults),
    )
    if reader.faults:
        raise _refused(reader.faults)
    return job


def _read_upload(value: Any, faults: list[str]) -> UploadKey | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        faults.append("upload must be an object or null")
        return None
    reader = _Reader(value, prefix="upload.")
    key = UploadKey(
        endpoint=reader.text("endpoint") if value.get("endpoint") is not None else None,
        key_id=reader.text("key_id"),
        app_key=reader.text("app_key"),
        bucket=reader.text("bucket"),
        prefix=reader.text("prefix"),
    )
    faults.extend(reader.faults)
    return key


def _read_params(value: Any, faults: list[str]) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        faults.append("params must be an object or null")
        return {}
    return value


def _refused(faults: list[str]) -> JobError:
    return JobError(ErrorCode.INTERNAL, messages.input_refused(faults), stage="starting", retryable=False)


def identity_of(body: Any) -> tuple[str | None, int | None]:
    """Returns job id and attempt of any body, each None where it cannot be read."""
    fields = body if isinstance(body, dict) else {}
    job_id, attempt = fields.get("job_id"), fields.get("attempt")
    is_name = isinstance(job_id, str) and NAME.fullmatch(job_id)
    is_count = isinstance(attempt, int) and not isinstance(attempt, bool)
    return (job_id if is_name else None), (attempt if is_count else None)


def ok_answer(
    job: JobInput,
    run_id: str,
    url: str,
    output: Mapping[str, Any],
    metrics: Mapping[str, Any],
    *,
    is_reused: bool = False,
) -> Answer:
    """Builds the answer of a run that made its video. is_reused: an earlier run made it."""
    fields = {"output_video_url": url, "output": dict(output), "metrics": dict(metrics)}
    reused = {"reused": True} if is_reused else {}
    return Answer(200, _body("ok", job.job_id, job.attempt, run_id) | fields | reused)


def is_output(fields: Mapping[str, Any]) -> bool:
    """Returns whether fields are a whole `output` object."""
    return all(_is_of(fields.get(field.name), field.type) for field in dataclasses.fields(StoredVideo))


def _is_of(value: Any, kind: Any) -> bool:
    return isinstance(value, int | float if kind is float else kind) and not isinstance(value, bool)


def failure_answer(job_id: str | None, attempt: int | None, run_id: str | None, failure: JobError) -> Answer:
    """Builds the answer of a run that failed: 200 when it is final, 503 when another node may succeed."""
    body = _body("error", job_id, attempt, run_id) | {"error": error_object(failure)}
    return Answer(503 if failure.retryable else 200, body)


def superseded_answer(job: JobInput, run_id: str) -> Answer:
    """Builds the answer of a run that stopped because it is no longer wanted."""
    return Answer(200, _body("superseded", job.job_id, job.attempt, run_id))


def error_object(failure: JobError) -> dict[str, str | bool | None]:
    """Builds the `error` object of answers and reports."""
    return {
        "code": str(failure.code),
        "message": failure.message,
        "stage": failure.stage,
        "retryable": failure.retryable,
    }


def health_answer(*, is_ready: bool, engine: str) -> Answer:
    """Builds the answer of the health check."""
    return Answer(200 if is_ready else 503, {"ready": is_ready, "engine": engine})


def live_answer() -> Answer:
    """Builds the answer that says that the process lives."""
    return Answer(200, {"live": True})


def http_error_answer(status: int, name: str) -> Answer:
    """Builds the answer to a request that no path takes."""
    return Answer(status, {"error": name})


def report_body(
    attempt: int, run_id: str, seq: int, snapshot: ProgressSnapshot, error: JobError | None, *, is_last: bool
) -> dict[str, Any]:
    """Builds one report. seq: the report's number in its run, from 1; error: why the run failed, in its last report."""
    return {
        "schema_version": SCHEMA_VERSION,
        "attempt": attempt,
        "run_id": run_id,
        "seq": seq,
        "phase": str(snapshot.phase),
        "progress": snapshot.progress,
        "stage_times": snapshot.stage_times,
        "error": error_object(error) if error is not None else None,
        "finished": is_last,
    }


def read_report_answer(body: bytes) -> ReportAnswer:
    """Reads the answer to a report; raises ValueError, whose text says what is wrong."""
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise ValueError("the answer to the report is not JSON") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("cancel"), bool):
        raise ValueError("the answer to the report does not say whether to cancel")
    return ReportAnswer(fields["cancel"], _read_seconds(fields.get("remaining_seconds")))


def _read_seconds(value: Any) -> float | None:
    """Returns a valid number of seconds, None for anything else: the run then keeps its own time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= MAX_SECONDS else None


def _body(status: str, job_id: str | None, attempt: int | None, run_id: str | None) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "status": status,
        "job_id": job_id,
        "attempt": attempt,
        "run_id": run_id,
    }
