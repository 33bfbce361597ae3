"""The published verifiers standardwebhooks and svix accept each callback that we send, and no forged one."""

import base64
import json
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError as StandardRefusal
from svix.webhooks import Webhook as SvixWebhook
from svix.webhooks import WebhookVerificationError as SvixRefusal

from avatar_jobs.protocol.compact_json import compact_json
from tests.support.functions import API_KEY, CALLBACK_SECRET, CLIENTS
from tests.support.salad_side import file_stands, result, webhook
from tests.support.scripted_server import Answer, Received
from tests.support.system import System

NEW_SECRET = "whsec_" + base64.b64encode(b"the-secret-after-the-rotation-01").decode()
Verify = Callable[[str, bytes, Mapping[str, str]], Any]


def by_standardwebhooks(secret: str, body: bytes, headers: Mapping[str, str]) -> Any:
    return StandardWebhook(secret).verify(body, dict(headers))


def by_svix(secret: str, body: bytes, headers: Mapping[str, str]) -> Any:
    """svix reads the headers its own way and leaves the rest, today, to standardwebhooks; it parses nothing."""
    SvixWebhook(secret).verify(body, dict(headers))
    return json.loads(body)


VERIFIERS: dict[str, tuple[Verify, type[Exception]]] = {
    "standardwebhooks": (by_standardwebhooks, StandardRefusal),
    "svix": (by_svix, SvixRefusal),
}


@pytest.fixture(params=list(VERIFIERS))
def verify(request: pytest.FixtureRequest) -> Verify:
    """Each published verifier."""
    return VERIFIERS[request.param][0]


@pytest.fixture(params=list(VERIFIERS))
def verifier(request: pytest.FixtureRequest) -> tuple[Verify, type[Exception]]:
    """Each published verifier, with what it raises."""
    return VERIFIERS[request.param]


def submitted(system: System) -> dict[str, Any]:
    """A job whose app wants to be called back, with everything that JSON text can hold in its metadata."""
    metadata = {"text": 'ä € 😀 "quoted" \\ \u2028', "nested": [[1, None], {"": 1.5}], "b": 1.0, "10": -0.0, "9": 1e-7}
    job: dict[str, Any] = system.submit(system.body(webhook_url=f"{system.app.url}/done", metadata=metadata)).json
    return job


def succeed(system: System, job: dict[str, Any]) -> None:
    file_stands(system)
    webhook(system, job, result(job))


def fail(system: System, job: dict[str, Any]) -> None:
    error = {"code": "media_corrupt", "message": "The video – “broken” – cannot be read.", "stage": "probe"}
    webhook(system, job, result(job, status="error", error={**error, "retryable": False}, output=None))


def cancel(system: System, job: dict[str, Any]) -> None:
    """Cancels a job whose queue job still waits, so that Salad's answer ends it."""
    headers = {"X-Internal-API-Key": API_KEY}
    path = f"/v1/avatar/jobs/{job['id']}"
    assert system.function("job_status").call("DELETE", path, headers=headers).status == 202
    webhook(system, job, None, status="cancelled")


def only(system: System) -> Received:
    (call,) = system.app.received
    return call


def rotate(system: System, *callback_secrets: str) -> None:
    """Gives the client these callback secrets; before the functions are loaded."""
    clients = {**CLIENTS, "studio": {**CLIENTS["studio"], "callback_secrets": list(callback_secrets)}}
    system.environment["API_CLIENTS"] = json.dumps(clients)


@pytest.mark.parametrize(
    ("end", "kind"),
    [(succeed, "avatar.job.succeeded"), (fail, "avatar.job.failed"), (cancel, "avatar.job.cancelled")],
)
def test_the_callback_of_each_outcome_is_accepted(
    system: System, verify: Verify, end: Callable[[System, dict[str, Any]], None], kind: str
) -> None:
    job = submitted(system)
    end(system, job)
    call = only(system)
    told = verify(CALLBACK_SECRET, call.body, call.headers)
    assert (told["type"], told["id"], told["metadata"]) == (kind, job["id"], job["metadata"])


def test_a_later_try_is_signed_afresh_under_the_same_id_and_accepted(system: System, verify: Verify) -> None:
    system.app.answers.append(Answer(500, b""))
    succeed(system, submitted(system))
    system.move_clock(60)
    system.tick()

    first, second = system.app.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 59
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    for call in (first, second):
        assert verify(CALLBACK_SECRET, call.body, call.headers)["type"] == "avatar.job.succeeded"


def test_while_a_secret_rotates_the_old_and_the_new_one_both_accept(system: System, verify: Verify) -> None:
    rotate(system, NEW_SECRET, CALLBACK_SECRET)
    succeed(system, submitted(system))
    call = only(system)
    assert len(call.headers["webhook-signature"].split(" ")) == 2
    for secret in (NEW_SECRET, CALLBACK_SECRET):
        assert verify(secret, call.body, call.headers)["status"] == "succeeded"


def test_after_the_rotation_the_old_secret_accepts_no_more(
    system: System, verifier: tuple[Verify, type[Exception]]
) -> None:
    verify, refusal = verifier
    rotate(system, NEW_SECRET)
    succeed(system, submitted(system))
    call = only(system)
    assert verify(NEW_SECRET, call.body, call.headers)["status"] == "succeeded"
    with pytest.raises(refusal):
        verify(CALLBACK_SECRET, call.body, call.headers)


def later_timestamp(headers: dict[str, str]) -> None:
    headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)


def another_id(headers: dict[str, str]) -> None:
    headers["webhook-id"] += "x"


def another_signature(headers: dict[str, str]) -> None:
    headers["webhook-signature"] = "v1," + base64.b64encode(secrets.token_bytes(32)).decode()


def no_signature(headers: dict[str, str]) -> None:
    del headers["webhook-signature"]


@pytest.mark.parametrize("tamper", [later_timestamp, another_id, another_signature, no_signature])
def test_a_callback_with_other_headers_is_refused(
    system: System, verifier: tuple[Verify, type[Exception]], tamper: Callable[[dict[str, str]], None]
) -> None:
    verify, refusal = verifier
    succeed(system, submitted(system))
    call = only(system)
    headers = dict(call.headers)
    assert verify(CALLBACK_SECRET, call.body, headers)
    tamper(headers)
    with pytest.raises(refusal):
        verify(CALLBACK_SECRET, call.body, headers)


def test_a_callback_with_another_body_is_refused(system: System, verifier: tuple[Verify, type[Exception]]) -> None:
    verify, refusal = verifier
    fail(system, submitted(system))
    call = only(system)
    forged = call.body.replace(b'"failed"', b'"succeeded"')
    assert forged != call.body
    with pytest.raises(refusal):
        verify(CALLBACK_SECRET, forged, call.headers)


@pytest.mark.parametrize("shift", [timedelta(minutes=-6), timedelta(minutes=6)], ids=["stale", "from the future"])
def test_a_callback_out_of_time_is_refused(
    system: System, verifier: tuple[Verify, type[Exception]], shift: timedelta
) -> None:
    verify, refusal = verifier
    job = submitted(system)
    system.clock.offset = shift
    fail(system, job)
    call = only(system)
    with pytest.raises(refusal):
        verify(CALLBACK_SECRET, call.body, call.headers)


@pytest.mark.parametrize("end", [succeed, fail, cancel])
def test_a_receiver_that_parses_and_writes_the_body_again_can_verify_it(
    system: System, verify: Verify, end: Callable[[System, dict[str, Any]], None]
) -> None:
    end(system, submitted(system))
    call = only(system)
    script = "process.stdout.write(JSON.stringify(JSON.parse(require('fs').readFileSync(0))))"
    again = call.body
    if shutil.which("node"):  # elsewhere the form alone is checked (unit/protocol/test_compact_json.py)
        again = subprocess.run(["node", "-e", script], input=call.body, capture_output=True, check=True).stdout
    assert again == call.body == compact_json(json.loads(call.body))
    assert verify(CALLBACK_SECRET, again, call.headers)["metadata"]["10"] == 0
