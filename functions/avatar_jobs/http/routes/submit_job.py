"""The routes of the function submit_job."""

from collections.abc import Sequence

from avatar_jobs.http.web import Call, Reply, Route
from avatar_jobs.ports.jobs import JobFilter
from avatar_jobs.ports.outside import Clock
from avatar_jobs.protocol.requests import checked_key, checked_list, checked_submit
from avatar_jobs.protocol.strict_json import parse_json
from avatar_jobs.services.intake.submitter import Submission, Submitter
from avatar_jobs.services.queries.job_view import JobRenderer
from avatar_jobs.services.queries.lister import Lister

JOBS_PATH = "/v1/avatar/jobs"


def submit_routes(
    submitter: Submitter, lister: Lister, renderer: JobRenderer, clock: Clock, *, rehearsal: bool
) -> Sequence[Route]:
    """Returns the routes of submit_job. The list is among them because the base URL splits by path alone."""

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
            statuses=query.wanted_statuses(),
            created_after=query.created_after,
            created_before=query.created_before,
            request_id=query.request_id,
        )
        page = lister.list(wanted, query.page_size, query.page_token, query.idempotency_key)
        now = clock()
        jobs = [renderer.render(job, now) for job in page.jobs]
        return Reply(200, {"jobs": jobs, "next_page_token": page.next_page_token})

    return [
        Route("POST", JOBS_PATH, submit, client_only=True, json_body=True),
        Route("GET", JOBS_PATH, list_jobs, client_only=True),
    ]
