"""The routes of the function salad_webhook."""

from collections.abc import Sequence

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import BadSignatureError
from avatar_jobs.http.web import SIGNATURE_CHALLENGE, TOKEN_CHALLENGE, Call, Reply, Route
from avatar_jobs.ports.outside import Clock, EventLog
from avatar_jobs.protocol.salad_job import read_webhook
from avatar_jobs.protocol.signatures import attempt_of_token, verify_webhook
from avatar_jobs.protocol.strict_json import parse_json
from avatar_jobs.protocol.worker_report import checked_report
from avatar_jobs.services.outcome.finisher import Finisher
from avatar_jobs.services.outcome.report_receiver import ReportReceiver

# Salad's webhook contains the worker's whole output: at most 10 MB, but three times as much as JSON with escapes. Cloud
# Run lets no larger body through.
WEBHOOK_BODY_LIMIT = 32 * 1024 * 1024


def webhook_routes(
    finisher: Finisher,
    reports: ReportReceiver,
    clock: Clock,
    log: EventLog,
    *,
    webhook_secrets: Sequence[str],
    token_secrets: Sequence[str],
) -> Sequence[Route]:
    """Returns the routes of salad_webhook. They are public; each checks a signature before it parses a body."""

    def salad(call: Call) -> Reply:
        verify_webhook(webhook_secrets, call.headers, call.body, clock())
        salad_job = read_webhook(call.body)
        if salad_job is None:
            log("salad_webhook_not_ours", level="warning", request_id=call.request_id)
        else:
            finisher.apply_salad_result(salad_job)
        return Reply(204)

    def report(call: Call) -> Reply:
        job_id = call.params["id"]
        # A proxy such as API Gateway replaces Authorization with its own and moves the original to the other header.
        proof = call.headers.get("x-forwarded-authorization") or call.headers.get("authorization", "")
        attempt = attempt_of_token(token_secrets, job_id, proof)
        body = checked_report(parse_json(call.body))
        if body.attempt != attempt:
            raise BadSignatureError(texts.REPORT_TOKEN_OF_ANOTHER_ATTEMPT)
        answer = reports.receive(job_id, body.event(clock()))
        return Reply(200, {"cancel": answer.cancel, "remaining_seconds": answer.remaining_seconds})

    return [
        Route("POST", "/v1/webhooks/salad", salad, body_limit=WEBHOOK_BODY_LIMIT, challenge=SIGNATURE_CHALLENGE),
        Route("POST", "/v1/worker/jobs/{id}/reports", report, challenge=TOKEN_CHALLENGE),
    ]
