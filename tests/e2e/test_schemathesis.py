"""schemathesis against the running functions: no answer is a 5xx, and every answer conforms to docs/api/openapi.yaml.

It generates right and wrong requests from the document alone, in all its phases: the document's examples, systematic
coverage of each constraint, random data, and sequences of calls along the links (submit, then read, then cancel).
"""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.e2e.api import App
from tests.e2e.rehearsals import ROOT, rehearsal
from tests.support.events import events
from tests.support.openapi import DOCUMENT, OpenApiValidator
from tests.support.scripted_server import scripted_server

pytestmark = pytest.mark.e2e

LIMIT_SEC = 150.0  # it takes 40 s on two idle cores
EXAMPLES = 30  # an operation, in each phase; the coverage phase makes as many as there are constraints
SEED = 20260101  # the same requests in every run
EXCLUDED = {
    # the one operation that is not behind the base URL: the gateway does not know scale_tick, nor does the ready line
    # name its address (tests/functional/test_tick.py drives it, each answer held to the same document)
    "/tick",
}

# Every check that schemathesis has for one client is on, but for what is said here:
CONFIGURATION = f"""
seed = {SEED}
continue-on-failure = true
hooks = "tests.e2e.schemathesis_hooks"

[generation]
database = "none"
max-examples = {EXAMPLES}

[checks]
not_a_server_error.enabled = true
status_code_conformance.enabled = true
content_type_conformance.enabled = true
response_schema_conformance.enabled = true
response_headers_conformance.enabled = true
negative_data_rejection.enabled = true
positive_data_acceptance.enabled = true
missing_required_header.enabled = true
unsupported_method.enabled = true
allow_header_conformance.enabled = true
ignored_auth.enabled = true
ensure_resource_availability.enabled = true
# DELETE asks for the end of a job; the job can be read afterwards, as the API promises
use_after_free.enabled = false

[[operations]]
include-operation-id = "submit_job"
# a URL that fits the pattern may name a private host, and metadata of few keys may have more than 4 KB: 422
checks.positive_data_acceptance.expected-statuses = ["2xx", 422]

[[operations]]
include-operation-id = "list_jobs"
# page tokens cannot be made up: one that the service did not write is a 422
checks.positive_data_acceptance.expected-statuses = ["2xx", 422]

[[operations]]
include-operation-id = "list_jobs_head"
checks.positive_data_acceptance.expected-statuses = ["2xx", 422]

[[operations]]
include-operation-id = "worker_report"
# our hook puts a valid token into every valid request, also into those from which this check removed it
# (tests/functional/test_webhook.py has the wrong tokens)
checks.ignored_auth.enabled = false
# the token is for attempt 1 of one job; a right report of another attempt is a 401
checks.positive_data_acceptance.expected-statuses = ["2xx", 401]

[[operations]]
include-operation-id = "salad_webhook"
# the signature is checked first: without a valid one the rest of the request is not read
checks.positive_data_acceptance.expected-statuses = ["2xx", 401]
"""


def open_job(app: App) -> tuple[str, str]:
    """Submits a job that no worker takes. Returns its id and the report token of its first attempt."""
    ready = app.ready
    job = app.submit()
    salad = f"{ready['salad']}/api/public/organizations/{ready['organization']}/projects/{ready['project']}"
    headers = {"Salad-Api-Key": ready["salad_api_key"]}
    listed = requests.get(f"{salad}/queues/{ready['queue']}/jobs", headers=headers, timeout=10).json()["items"]
    (given,) = [one["input"] for one in listed if one["metadata"]["job_id"] == job["id"]]
    return job["id"], given["report_token"]


def webhook_secret(ready: dict[str, Any]) -> str:
    """Returns Salad's webhook secret."""
    url = f"{ready['salad']}/api/public/organizations/{ready['organization']}/webhook-secret-key"
    answer = requests.get(url, headers={"Salad-Api-Key": ready["salad_api_key"]}, timeout=10)
    return f"whsec_{answer.json()['secret_key']}"


def statuses(log: Path) -> dict[str, Counter[int]]:
    """Returns how often each documented operation answered with each status, from the gateway's log."""
    paths = yaml.safe_load(DOCUMENT.read_text())["paths"]
    patterns = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in sorted(paths)}
    found: dict[str, Counter[int]] = {f"{method} {path}": Counter() for path in paths for method in paths[path]}
    for call in events(log.read_text(), "gateway_request"):
        path = next((path for path, pattern in patterns.items() if pattern.fullmatch(call["path"])), None)
        counter = found.get(f"{call['method'].lower()} {path}")
        if counter is not None:
            counter[call["status"]] += 1
    return found


def test_every_answer_to_right_and_wrong_requests_is_documented(openapi: OpenApiValidator, tmp_path: Path) -> None:
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    # no replicas: jobs stay open, so that reports and cancellations of them mean something
    with rehearsal(tmp_path, REPLICAS="0", TICK_SEC="1") as running, scripted_server() as receiver:
        job_id, token = open_job(App(running.ready, openapi))
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(configuration),
            "run", str(DOCUMENT), "--url", running.ready["api"], "--no-color",
            "--phases", "examples,coverage,fuzzing,stateful", "--mode", "all",
            "--header", f"X-Internal-API-Key: {next(iter(running.ready['api_keys'].values()))}",
        ]  # fmt: skip
        command += [word for path in sorted(EXCLUDED) for word in ("--exclude-path", path)]
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT),
            "HOOK_WEBHOOK_SECRET": webhook_secret(running.ready), "HOOK_CALLBACK_URL": f"{receiver.url}/done",
            "HOOK_JOB_ID": job_id, "HOOK_REPORT_TOKEN": token,
        }  # fmt: skip
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_SEC, check=False
        )
    assert ended.returncode == 0, f"{ended.stdout[-20_000:]}\n{ended.stderr[-2_000:]}"

    for operation, given in statuses(running.log).items():
        if operation.partition(" ")[2] in EXCLUDED:
            continue
        assert any(200 <= status < 300 for status in given), f"{operation} never succeeded: {given}"
        assert any(400 <= status < 500 for status in given), f"{operation} never refused: {given}"
