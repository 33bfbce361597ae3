"""submit_job: what an app gets for good and bad requests, and what Salad sees of it."""

import json

import pytest

from tests.support.fake_salad import SALAD_JOB_ID
from tests.support.functions import OTHER_KEY
from tests.support.raw_server import Play, drips, raw_server, says
from tests.support.scripted_server import Answer
from tests.support.system import System
from tests.support.waiting import within


def test_an_accepted_job_is_sent_to_salad_once_with_our_ids_in_metadata_and_input(system: System) -> None:
    reply = system.submit(system.body(metadata={"order": 7}), headers={"X-Request-Id": "req-1"})

    job = reply.json
    assert reply.status == 202
    assert reply.headers["Location"] == f"/v1/avatar/jobs/{job['id']}"
    assert reply.headers["X-Request-Id"] == job["request_id"] == "req-1"
    assert (job["status"], job["phase"], job["attempt"]) == ("queued", "dispatched", 1)
    assert job["metadata"] == {"order": 7}
    assert job["input"]["aspect_ratio"] == job["input"]["resolution"] == "source"
    assert [(call.method, call.path) for call in system.salad.sent] == [
        ("POST", "/api/public/organizations/acme/projects/avatars/queues/jobs/jobs")
    ]
    sent = json.loads(system.salad.sent[0].body)
    assert sent["metadata"] == {"job_id": job["id"], "attempt": 1, "request_id": "req-1"}
    assert sent["webhook"] == "http://127.0.0.1:9/v1/webhooks/salad"
    assert sent["input"]["report_url"] == f"http://127.0.0.1:9/v1/worker/jobs/{job['id']}/reports"
    assert set(sent["input"]) == {
        "schema_version", "job_id", "attempt", "request_id", "video_url", "audio_url", "aspect_ratio", "resolution",
        "report_url", "report_token", "run_timeout_seconds", "expires_at", "upload", "params",
    }  # fmt: skip


def test_a_missing_key_and_a_wrong_key_get_different_answers_and_write_nothing(system: System) -> None:
    missing = system.function("submit_job").call("POST", "/v1/avatar/jobs", json_body=system.body())
    wrong = system.submit(key="not-a-key")

    assert [missing.status, wrong.status] == [401, 401]
    assert missing.json["detail"] == "The header X-Internal-API-Key is missing; send your client's API key in it."
    assert wrong.json["detail"] == (
        "The API key in the header X-Internal-API-Key is wrong; send a valid key of your client."
    )
    assert system.salad.sent == []


def test_another_clients_job_is_not_found(system: System) -> None:
    job_id = system.submit().json["id"]

    assert system.read(job_id).status == 200
    stranger = system.read(job_id, key=OTHER_KEY)
    assert (stranger.status, stranger.json["code"]) == (404, "job_not_found")
    assert stranger.json["detail"] == system.read("0" * 32).json["detail"]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "The body is not JSON: Expecting value at line 1, column 1."),
        (b"{", "The body is not JSON: Expecting property name enclosed in double quotes at line 1, column 2."),
        (b'{"a": "\xff"}', "The body is not UTF-8; encode it as UTF-8."),
        (b'{"a": 1, "a": 2}', "The body is not acceptable JSON: a name occurs twice in one object."),
        (b'{"a": NaN}', "The body is not acceptable JSON: NaN is not a JSON number."),
        (b'{"a": 1e999}', "The body is not acceptable JSON: a number is out of range."),
        (b'{"a": "\\ud800"}', "The body is not acceptable JSON: a string holds half of a surrogate pair."),
        (b"[" * 33 + b"]" * 33, "The body is nested over 32 levels; nest it less deeply."),
        (b"[" * 30_000, "The body is nested over 32 levels; nest it less deeply."),
    ],
)
def test_a_body_that_cannot_be_parsed_is_a_400_that_says_why(system: System, body: bytes, detail: str) -> None:
    headers = {"X-Internal-API-Key": "key-of-studio-0123456789", "Content-Type": "application/json"}

    reply = system.function("submit_job").call("POST", "/v1/avatar/jobs", body=body, headers=headers)

    assert (reply.status, reply.json["code"], reply.json["detail"]) == (400, "invalid_json", detail)


@pytest.mark.parametrize(
    ("changes", "field", "code", "message"),
    [
        ({"video_url": 7}, "video_url", "string_type", "Must be a text."),
        ({"colour": "red"}, "colour", "extra_forbidden", "This field is unknown; remove it."),
        ({"aspect_ratio": "3:2"}, "aspect_ratio", "literal_error", "'4:5' or 'source'"),
        ({"run_timeout_seconds": 9}, "run_timeout_seconds", "greater_than_equal", "Must be at least 10."),
        ({"run_timeout_seconds": "60"}, "run_timeout_seconds", "int_type", "whole number"),
        ({"start_timeout_seconds": True}, "start_timeout_seconds", "int_type", "whole number"),
        ({"metadata": {str(n): n for n in range(17)}}, "metadata", "too_many_keys", "at most 16 keys"),
        ({"metadata": {"a": "x" * 4096}}, "metadata", "too_long", "at most 4096 bytes"),
        ({"metadata": []}, "metadata", "dict_type", "JSON object"),
        ({"video_url": "https://e.com/" + "x" * 8192}, "video_url", "string_too_long", "at most 8192"),
    ],
)
def test_an_unacceptable_field_is_named_with_its_fault(
    system: System, changes: dict[str, object], field: str, code: str, message: str
) -> None:
    reply = system.submit(system.body(**changes))

    assert (reply.status, reply.json["code"]) == (422, "validation_error")
    (fault,) = reply.json["errors"]
    assert (fault["field"], fault["code"]) == (field, code)
    assert message in fault["message"]
    assert system.salad.sent == []


def test_a_missing_field_is_named(system: System) -> None:
    reply = system.submit({"video_url": "https://example.com/a.mp4"})

    required = {"field": "audio_url", "code": "missing", "message": "This field is required."}
    assert reply.json["errors"] == [required]
    assert system.submit(system.body(audio_url=None)).json["errors"] == [required]


def test_a_refused_url_has_its_own_code_and_sentence(system: System) -> None:
    reply = system.submit(system.body(audio_url="http://10.0.0.7/a.wav", webhook_url="https://user:pw@example.com/"))

    assert (reply.status, reply.json["code"]) == (422, "url_not_allowed")
    assert [(fault["field"], fault["message"]) for fault in reply.json["errors"]] == [
        ("audio_url", "The URL's host is a private, local or reserved address; use a public one."),
        ("webhook_url", "The URL must not carry a user name or password."),
    ]


def test_a_body_that_is_not_called_json_or_is_too_large_is_refused(system: System) -> None:
    text = system.submit(headers={"Content-Type": "text/plain"})
    large = system.submit(system.body(metadata={"a": "x" * 70_000}))

    assert (text.status, text.json["code"]) == (415, "unsupported_media_type")
    assert (large.status, large.json["detail"]) == (413, "The body must have at most 65536 bytes.")


def test_a_malformed_key_is_refused(system: System) -> None:
    bad_key = system.submit(headers={"Idempotency-Key": "k" * 129})
    assert (bad_key.status, bad_key.json["code"]) == (400, "invalid_idempotency_key")


def test_the_same_key_and_body_give_the_same_job_in_any_order_of_fields(system: System) -> None:
    headers = {"Idempotency-Key": "order-7"}
    first = system.submit(system.body(resolution="480p"), headers=headers)
    reordered = dict(reversed(system.body(resolution="480p", aspect_ratio="source").items()))
    second = system.submit(reordered, headers=headers)

    assert (first.status, second.status) == (202, 202)
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.json["id"] == first.json["id"]
    assert len(system.salad.sent) == 1


def test_a_key_with_another_body_is_refused_and_another_client_may_use_it(system: System) -> None:
    headers = {"Idempotency-Key": "order-8"}
    first = system.submit(headers=headers)
    reused = system.submit(system.body(resolution="480p"), headers=headers)
    stranger = system.submit(key=OTHER_KEY, headers=headers)

    assert (reused.status, reused.json["code"]) == (422, "idempotency_key_reused")
    assert reused.json["detail"].startswith("Idempotency-Key 'order-8' was already used with a different body.")
    assert stranger.status == 202
    assert stranger.json["id"] != first.json["id"]


def test_a_refused_request_does_not_use_up_its_key(system: System) -> None:
    headers = {"Idempotency-Key": "order-9"}

    assert system.submit(system.body(colour="red"), headers=headers).status == 422
    assert "Idempotency-Replayed" not in system.submit(headers=headers).headers


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, b"{}", {"Retry-After": "2"}),
        Answer(503, b"<html>down</html>", {"Content-Type": "text/html"}),
        Answer(500, b""),
        Answer(401, b'{"title": "Unauthorized"}'),
        Answer(cut=True),
        Answer(201, b"<html>surprise</html>", {"Content-Type": "text/html"}),
    ],
)
def test_the_app_has_its_202_whatever_salad_answers(system: System, answer: Answer) -> None:
    system.salad.answers.append(answer)

    reply = system.submit()

    assert (reply.status, reply.json["status"], reply.json["phase"]) == (202, "queued", "accepted")
    assert len(system.salad.sent) == 1


CREATED = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"


@pytest.mark.parametrize(
    ("play", "phase"),
    [
        (says(CREATED + b'{"id": '), "accepted"),
        (drips(CREATED, b" ", pause_sec=0.5), "accepted"),
        (drips(b"HTTP/1.1 201 Created\r\n", b"X: x\r\n", pause_sec=0.5), "accepted"),
        (says(b"HTTP/1.1 103 Early Hints\r\n\r\n" + CREATED + b'{"id": "salad-1"}'), "dispatched"),
    ],
    ids=["cut in the body", "dripping body", "dripping headers", "103 first"],
)
def test_the_app_has_its_202_within_8_s_however_salad_misbehaves(system: System, play: Play, phase: str) -> None:
    with raw_server(play) as salad:
        system.environment["SALAD_API_URL"] = f"{salad.url}/api/public"
        system.function("submit_job")
        with within(8):
            reply = system.submit()
    assert (reply.status, reply.json["phase"]) == (202, phase)
    assert len(salad.requests) == 1


def test_a_submit_succeeds_while_salad_refuses_connections_and_the_tick_dispatches(system: System) -> None:
    system.environment["SALAD_API_URL"] = "http://127.0.0.1:9/api/public"  # the discard port: nobody listens
    submitted = system.submit()
    assert (submitted.status, submitted.json["phase"]) == (202, "accepted")

    system.environment["SALAD_API_URL"] = f"{system.salad.url}/api/public"
    system.move_clock(seconds=15)
    assert system.tick().json == {"lease": "held", "done": {"dispatched": 1}}

    assert system.read(submitted.json["id"]).json["phase"] == "dispatched"
    assert json.loads(system.salad.sent[0].body)["metadata"]["attempt"] == 1
    assert SALAD_JOB_ID.encode() not in submitted.body


def test_the_key_of_a_job_that_is_gone_makes_a_new_job(system: System) -> None:
    """The store's time-to-live removes a job without its key."""
    key = {"Idempotency-Key": "order-7"}
    first = system.submit(headers=key).json
    stored = system.store().get(first["id"])
    assert stored
    system.store().purge(stored.job.model_copy(update={"idempotency_key": None}))

    second = system.submit(system.body(resolution="480p"), headers=key)
    assert (second.status, second.json["id"] == first["id"]) == (202, False)
    again = system.submit(system.body(resolution="480p"), headers=key)
    assert (again.json["id"], again.headers["Idempotency-Replayed"]) == (second.json["id"], "true")
