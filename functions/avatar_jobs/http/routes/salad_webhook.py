"""The routes of the function salad_webhook."""

from collections.abc import Mapping, Sequence

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import BadSignatureError
from avatar_jobs.http.web import SIGNATURE_CHALLENGE, TOKEN_CHALLENGE, Call, Reply, Route
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.protocol.salad_job import read_webhook
from avatar_jobs.protocol.signatures import attempt_of_token, read_webhook_headers, verify_webhook
from avatar_jobs.protocol.strict_json import parse_json
from avatar_jobs.protocol.worker_report import checked_report
from avatar_jobs.services.outcome.finisher import Finisher
from avatar_jobs.services.outcome.report_receiver import ReportReceiver

# Salad's webhook contains the worker's whole output: at most 10 MB of JSON, which Salad passes on as it is. A longer
# body can only be text that is no JSON, whose escapes make it grow; the tick then reads the job's end from Salad.
WEBHOOK_BODY_LIMIT = 12_000_000


def webhook_routes(
    finisher: Finisher,
    reports: ReportReceiver,
    clock: Clock,
    log: EventLog,
    *,
    webhook_secrets: Sequence[str],
    token_secrets: Sequence[str],
) -> Sequence[Route]:
    """Returns the routes of salad_webhook. They are public; each judges the headers before it reads a body,
    and checks a signature before it parses one."""

    def salad(call: Call) -> Reply:
        verify_webhook(webhook_secrets, call.headers, call.body, clock())
        salad_job = read_webhook(call.body)
        if salad_job is None:
            log("salad_webhook_not_ours", level="warning", request_id=call.request_id)
        else:
            finisher.apply_salad_result(salad_job)
        return Reply(204)

    def reporting_attempt(params: Mapping[str, str], headers: Mapping[str, str]) -> int:
        # A proxy such as API Gateway replaces Authorization with its own and moves the original to the other header.
        proof = headers.get("x-forwarded-authorization") or headers.get("authorization", "")
        return attempt_of_token(token_secrets, params["id"], proof)

    def report(call: Call) -> Reply:
        job_id, attempt = call.params["id"], reporting_attempt(call.params, call.headers)
        body = checked_report(parse_json(call.body))
        if body.attempt != attempt:
            raise BadSignatureError(texts.REPORT_TOKEN_OF_ANOTHER_ATTEMPT)
        answer = reports.receive(job_id, body.event(clock()))
        return Reply(200, {"cancel": answer.cancel, "remaining_seconds": answer.remaining_seconds})

    return [
        Route(
            "POST",
            "/v1/webhooks/salad",
            salad,
            check_headers=lambda _, headers: read_webhook_headers(headers, clock()),
            body_limit=WEBHOOK_BODY_LIMIT,
            challenge=SIGNATURE_CHALLENGE,
        ),
        Route(
            "POST",
            "/v1/worker/jobs/{id}/reports",
            report,
            check_headers=reporting_attempt,
            challenge=TOKEN_CHALLENGE,
        ),
    ]
