"""The WSGI application: /generate, /hc and /live; the only place that turns failures into HTTP answers."""

import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from gpu_worker.adapters.event_log import EventLog
from gpu_worker.domain import messages
from gpu_worker.domain.failures import ErrorCode, JobError
from gpu_worker.run.run_slot import RunSlot
from gpu_worker.wire import Answer, failure_answer, health_answer, http_error_answer, identity_of, live_answer, read_job

MAX_BODY = 256 * 1024  # bytes; an input has at most about 20 KB: two URLs of 8 KB, tokens, and room for params


def create_app(run_slot: RunSlot, is_ready: Callable[[], bool], engine_name: str, log: EventLog) -> Flask:
    """Builds the WSGI application. is_ready: returns at once whether the health check is positive."""
    app = Flask("gpu_worker", static_folder=None)

    @app.post("/generate")
    def generate() -> Response:
        return _as_response(_generate(run_slot, log))

    @app.get("/hc")
    def health() -> Response:
        return _as_response(health_answer(is_ready=is_ready(), engine=engine_name))

    @app.get("/live")
    def live() -> Response:
        return _as_response(live_answer())

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        return _as_response(http_error_answer(error.code or 500, error.name))

    return app


def _generate(run_slot: RunSlot, log: EventLog) -> Answer:
    body: Any = None
    try:
        body = _read_body()
        job = read_job(body)
    except JobError as failure:
        # 200 on purpose: Salad completes a job on a 4xx as well, and this body says what is wrong
        job_id, attempt = identity_of(body)
        log.event("input_refused", job_id=job_id, attempt=attempt, reason=failure.message)
        return failure_answer(job_id, attempt, None, failure)
    log.event(
        "job_taken",
        job_id=job.job_id,
        attempt=job.attempt,
        request_id=job.request_id,
        salad_job_id=request.headers.get("Salad-Job-Id"),
    )
    is_gone = _caller_watch()
    answer = run_slot.take(job, is_gone)
    if is_gone():
        log.event("job_left", job_id=job.job_id, attempt=job.attempt, request_id=job.request_id)
    return answer


def _read_body() -> Any:
    if (request.content_length or 0) > MAX_BODY:
        raise _refused(f"the body is larger than {MAX_BODY} bytes")
    data = request.stream.read(MAX_BODY + 1)
    if len(data) > MAX_BODY:
        raise _refused(f"the body is larger than {MAX_BODY} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _refused("the body is not JSON") from error


def _refused(reason: str) -> JobError:
    return JobError(ErrorCode.INTERNAL, messages.input_refused([reason]), stage="starting", retryable=False)


def _caller_watch() -> Callable[[], bool]:
    """Returns waitress's function that says whether the caller has closed its connection."""
    watch: Callable[[], bool] | None = request.environ.get("waitress.client_disconnected")
    return watch if watch is not None else lambda: False


def _as_response(answer: Answer) -> Response:
    return Response(json.dumps(answer.body), status=answer.http_status, mimetype="application/json")
