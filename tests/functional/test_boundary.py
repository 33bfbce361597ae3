"""The error boundary: every error becomes a problem document, and wrong settings stop a function at its start."""

import json

import pytest

from avatar_jobs.domain.errors import ApiError, ApiErrorCode, ProviderError
from avatar_jobs.protocol.problem import HTTP_STATUS
from avatar_jobs.settings import SettingsError
from tests.support.events import events
from tests.support.functions import API_KEY, FunctionClient
from tests.support.system import System


def test_a_bug_is_a_500_without_a_traceback_and_is_logged_with_one(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    with system.watch.failing("get", error=ZeroDivisionError("secret inside")):
        reply = system.read("0" * 32)

    assert (reply.status, reply.json["code"]) == (500, "internal")
    assert b"secret inside" not in reply.body
    (logged,) = events(capsys.readouterr().out, "internal_error")
    assert "ZeroDivisionError" in logged["traceback"]
    assert logged["request_id"] == reply.headers["X-Request-Id"]


@pytest.mark.parametrize("code", ApiErrorCode)
def test_every_code_is_a_problem_document_with_its_status_and_says_when_to_try_again(
    system: System, code: ApiErrorCode
) -> None:
    client = system.function("job_status").unchecked
    refusal = ApiError(code, "The detail.", allow=["GET"] if code is ApiErrorCode.METHOD_NOT_ALLOWED else ())
    with system.watch.failing("get", error=refusal):
        reply = client.get(f"/v1/avatar/jobs/{'0' * 32}", headers={"X-Internal-API-Key": API_KEY})
    document = json.loads(reply.get_data())

    system.validator.check_schema({"$ref": "#/components/schemas/Problem"}, document, code)
    assert reply.content_type == "application/problem+json"
    assert (reply.status_code, document["code"], document["detail"]) == (HTTP_STATUS[code], code.value, "The detail.")
    assert ("Retry-After" in reply.headers) == (HTTP_STATUS[code] in (429, 500, 503))


def test_an_unavailable_upstream_service_is_a_503(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    away = ProviderError("the bucket is away", status=None, retryable=True, may_have_happened=False)
    with system.watch.failing("get", error=away):
        reply = system.read("0" * 32)
    assert (reply.status, reply.json["code"], reply.headers["Retry-After"]) == (503, "upstream_unavailable", "5")
    (logged,) = events(capsys.readouterr().out, "upstream_unavailable")
    assert "the bucket is away" in logged["reason"]


def test_several_keys_of_one_client_live_side_by_side(system: System) -> None:
    keys = {
        "studio": {"api_keys": ["first-key-0123456789", "second-key-0123456789"], "callback_secrets": ["whsec_AAAA"]}
    }
    system.environment["API_CLIENTS"] = json.dumps(keys)

    job_id = system.submit(key="first-key-0123456789").json["id"]
    assert system.read(job_id, key="second-key-0123456789").status == 200
    assert system.read(job_id, key=API_KEY).status == 401


@pytest.mark.parametrize(
    ("function", "changes", "faults"),
    [
        (
            "submit_job",
            {
                "STORE": "",
                "FIRESTORE_PROJECT": "",
                "SALAD_API_KEY": "",
                "PUBLIC_BASE_URL": "ftp://x",
                "REHEARSAL_MODE": "yes",
                "REPORT_TOKEN_SECRETS": "",
            },
            [
                "FIRESTORE_PROJECT is missing",
                "SALAD_API_KEY is missing",
                "PUBLIC_BASE_URL must be an http(s) URL",
                "REPORT_TOKEN_SECRETS is missing",
                "REHEARSAL_MODE must be one of true, false",
            ],
        ),
        (
            "job_status",
            {"STORE": "paper", "OUTPUT_LIFETIME_DAYS": "0", "API_CLIENTS": "{}"},
            [
                "STORE must be one of firestore, sqlite",
                "OUTPUT_LIFETIME_DAYS must be a whole number from 1 to 3650",
                "API_CLIENTS must be a JSON object of clients",
            ],
        ),
        (
            "salad_webhook",
            {"SALAD_WEBHOOK_SECRETS": "plain", "REPORT_TOKEN_SECRETS": "short", "B2_BUCKET_NAME": ""},
            [
                "SALAD_WEBHOOK_SECRETS must hold secrets of the form whsec_<base64>",
                "REPORT_TOKEN_SECRETS must hold secrets of at least 32 characters",
                "B2_BUCKET_NAME is missing",
            ],
        ),
        (
            "scale_tick",
            {"TICK_PERIOD_SEC": "often", "REPORT_TOKEN_SECRETS": "", "B2_REGION": "", "API_CLIENTS": ""},
            [
                "TICK_PERIOD_SEC must be a whole number from 1 to 3600",
                "REPORT_TOKEN_SECRETS is missing",
                "B2_REGION is missing",
                "API_CLIENTS is missing",
            ],
        ),
    ],
)
def test_invalid_settings_stop_a_function_with_one_message_that_names_all_faults(
    system: System, function: str, changes: dict[str, str], faults: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        FunctionClient(function, system.environment | changes, system.validator)
    assert str(caught.value) == "the settings are wrong: " + "; ".join(faults)


@pytest.mark.parametrize(
    ("clients", "fault"),
    [
        ("[]", "API_CLIENTS must be a JSON object of clients"),
        ('{"Studio": {"api_keys": ["0123456789abcdef"], "callback_secrets": ["whsec_AAAA"]}}', "has a client name"),
        ('{"studio": {"api_keys": [], "callback_secrets": ["whsec_AAAA"]}}', "must have non-empty lists"),
        ('{"studio": {"api_keys": ["short"], "callback_secrets": ["whsec_AAAA"]}}', "fewer than 16 characters"),
        ('{"studio": {"api_keys": ["0123456789abcdef"], "callback_secrets": ["AAAA"]}}', "is not whsec_ followed"),
        (
            '{"a": {"api_keys": ["0123456789abcdef"], "callback_secrets": ["whsec_AAAA"]},'
            ' "b": {"api_keys": ["0123456789abcdef"], "callback_secrets": ["whsec_AAAA"]}}',
            "has one API key twice",
        ),
    ],
)
def test_faults_of_the_clients_are_named_and_no_key_is_quoted(system: System, clients: str, fault: str) -> None:
    with pytest.raises(SettingsError, match=fault) as caught:
        FunctionClient("job_status", system.environment | {"API_CLIENTS": clients}, system.validator)
    assert "0123456789abcdef" not in str(caught.value)


def test_the_public_function_needs_and_holds_no_salad_key(system: System) -> None:
    for name in ("SALAD_API_KEY", "SALAD_ORG_NAME", "SALAD_PROJECT_NAME", "SALAD_QUEUE_NAME", "SALAD_API_URL"):
        del system.environment[name]
    assert system.function("salad_webhook").call("GET", "/v1/webhooks/salad").status == 405
