"""Which function serves which path, and how each request becomes a call of a service."""

from collections.abc import Sequence

from avatar_jobs.domain.errors import ApiError, ApiErrorCode, BadSignatureError
from avatar_jobs.domain.events import RunReported
from avatar_jobs.domain.idempotency import checked_key
from avatar_jobs.domain.salad_jobs import read_webhook
from avatar_jobs.domain.signatures import attempt_of_token, verify
from avatar_jobs.domain.strict_json import parse_json
from avatar_jobs.ports import Clock, EventLog, JobFilter, JobStore
from avatar_jobs.schemas import checked_list, checked_report, checked_submit
from avatar_jobs.services.cancelling import Canceller
from avatar_jobs.services.finishing import Finisher
from avatar_jobs.services.health import read_health
from avatar_jobs.services.listing import Lister
from avatar_jobs.services.reading import read_job
from avatar_jobs.services.rendering import JobRenderer
from avatar_jobs.services.reporting import ReportReceiver
from avatar_jobs.services.submitting import Submission, Submitter
from avatar_jobs.services.ticking import Ticker
from avatar_jobs.web import Call, Reply, Route

JOBS_PATH = "/v1/avatar/jobs"
POLL_HINT_SEC = 5  # a job takes minutes, and a phase changes every few seconds
# A Salad webhook carries the worker's whole output. Salad caps that at 10 MB, but as JSON with escapes it can be three
# times as long; Cloud Run lets no more than this through.
WEBHOOK_BODY_LIMIT = 32 * 1024 * 1024


def submit_routes(
    submitter: Submitter, lister: Lister, renderer: JobRenderer, clock: Clock, *, rehearsal: bool
) -> Sequence[Route]:
    """The routes of submit_job; the list lives here because the base URL splits by path alone."""

    def submit(call: Call) -> Reply:
        key = checked_key(call.headers.get("idempotency-key"))
        body = checked_submit(parse_json(call.body), rehearsal=rehearsal)
        submission = Submission(
            client=call.client,
            request_id=call.request_id,
            idempotency_key=key,
            job_input=body.job_input(),
            metadata=body.metadata,
        )
        accepted = submitter.submit(submission)
        headers = {"Location": f"{JOBS_PATH}/{accepted.job.id}"}
        if accepted.replayed:
            headers["Idempotency-Replayed"] = "true"
        return Reply(202, renderer.render(accepted.job, clock()), headers)

    def list_jobs(call: Call) -> Reply:
        query = checked_list(call.query)
        wanted = JobFilter(
            client=call.client,
            status=query.status,
            created_after=query.created_after,
            created_before=query.created_before,
        )
        page = lister.list(wanted, query.page_size, query.page_token)
        now = clock()
        jobs = [renderer.render(job, now) for job in page.jobs]
        return Reply(200, {"jobs": jobs, "next_page_token": page.next_page_token})

    return [
        Route("POST", JOBS_PATH, submit, client_only=True, json_body=True),
        Route("GET", JOBS_PATH, list_jobs, client_only=True),
    ]


def status_routes(store: JobStore, canceller: Canceller, renderer: JobRenderer, clock: Clock) -> Sequence[Route]:
    """The routes of job_status."""

    def get(call: Call) -> Reply:
        job = read_job(store, call.client, call.params["id"])
        headers = {} if job.status.is_terminal else {"Retry-After": str(POLL_HINT_SEC)}
        return Reply(200, renderer.render(job, clock()), headers)

    def delete(call: Call) -> Reply:
        job = canceller.cancel(call.client, call.params["id"])
        return Reply(202, {"detail": "Cancellation requested", "id": job.id, "status": job.status.value})

    def health(call: Call) -> Reply:
        return Reply(200, read_health(store, clock()))

    return [
        Route("GET", f"{JOBS_PATH}/{{id}}", get, client_only=True),
        Route("DELETE", f"{JOBS_PATH}/{{id}}", delete, client_only=True),
        Route("GET", "/v1/avatar/health", health, client_only=True),
    ]


def webhook_routes(
    finisher: Finisher,
    reports: ReportReceiver,
    clock: Clock,
    log: EventLog,
    *,
    webhook_secrets: Sequence[str],
    token_secrets: Sequence[str],
) -> Sequence[Route]:
    """The routes of salad_webhook: public, each authenticated by a signature before anything is parsed or read."""

    def salad(call: Call) -> Reply:
        verify(webhook_secrets, call.headers, call.body, clock())
        salad_job = read_webhook(call.body)
        if salad_job is None:
            log("salad_webhook_not_ours", level="warning", request_id=call.request_id)
        else:
            finisher.take_in(salad_job)
        return Reply(204)

    def report(call: Call) -> Reply:
        job_id = call.params["id"]
        attempt = attempt_of_token(token_secrets, job_id, call.headers.get("authorization", ""))
        body = checked_report(parse_json(call.body))
        if body.attempt != attempt:
            raise BadSignatureError("the report token is for another attempt")
        event = RunReported(
            at=clock(),
            attempt=attempt,
            run_id=body.run_id,
            seq=body.seq,
            phase=body.phase,
            progress=body.progress,
            error=body.error.as_job_error() if body.error else None,
        )
        answer = reports.receive(job_id, event)
        return Reply(200, {"cancel": answer.cancel, "remaining_seconds": answer.remaining_seconds})

    return [
        Route("POST", "/v1/webhooks/salad", salad, body_limit=WEBHOOK_BODY_LIMIT),
        Route("POST", "/v1/worker/jobs/{id}/reports", report),
    ]


def tick_routes(ticker: Ticker) -> Sequence[Route]:
    """The routes of scale_tick; the platform lets nobody but the scheduler call it."""

    def tick(call: Call) -> Reply:
        if call.body.strip() not in (b"", b"{}"):
            raise ApiError(ApiErrorCode.VALIDATION_ERROR, "The tick takes no body.")
        report = ticker.tick()
        return Reply(200, {"lease": "held" if report.had_lease else "taken by another tick", "done": dict(report.done)})

    return [Route("POST", "/tick", tick)]
