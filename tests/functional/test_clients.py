"""What the HTTP libraries of .NET, Go, Java, JavaScript and Python really send is accepted, and the OpenAPI document
says so; what it does not allow is refused, in words that name no library."""

import json
import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.functions import API_KEY, Reply
from tests.support.openapi import OpenApiValidator
from tests.support.system import System

JOBS = "/v1/avatar/jobs"
LIBRARIES = re.compile(rb"(?i)pydantic|werkzeug|flask|gunicorn|value error|python|set_int_max|input should|traceback")


def posted(system: System, body: bytes, **headers: str) -> Reply:
    """POSTs bytes as they are, as application/json unless told otherwise."""
    sent = {"X-Internal-API-Key": API_KEY, "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return system.function("submit_job").call("POST", JOBS, body=body, headers=sent)


def listed(system: System, query: str) -> Reply:
    """GETs the list with a query as it is written."""
    return system.function("submit_job").call("GET", f"{JOBS}?{query}", headers={"X-Internal-API-Key": API_KEY})


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "application/json; charset=utf-8"},  # .NET StringContent, fetch
        {"Content_Type": "application/json;charset=UTF-8"},  # Java, axios
        {"Content_Type": 'application/json; charset="utf-8"'},
        {"Content_Type": "Application/JSON"},
        {"Accept": "text/plain, */*"},
        {"Accept": "text/html"},
        {"Accept": "application/xml;q=0.9"},
        {"Accept_Encoding": "gzip, deflate, br, zstd"},
        {"Expect": "100-continue"},  # .NET, curl
        {"X_Request_Id": ""},
        {"Connection": "keep-alive"},
        {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
        {"Origin": "https://app.example.com"},
        {"Content_Encoding": "identity"},
    ],
    ids=str,
)
def test_headers_of_real_clients_are_accepted(system: System, headers: dict[str, str]) -> None:
    reply = posted(system, json.dumps(system.body()).encode(), **headers)
    assert (reply.status, reply.headers["Content-Type"]) == (202, "application/json")


@pytest.mark.parametrize("name", ["x-internal-api-key", "X-INTERNAL-API-KEY", "X-Internal-Api-Key"])
def test_the_names_of_headers_have_no_case(system: System, name: str) -> None:
    reply = system.function("submit_job").call("GET", JOBS, headers={name: API_KEY})
    assert reply.status == 200


def rewritten(system: System, body: bytes) -> tuple[Reply, Any]:
    """Submits a body under a key, then the plain form of it; both must be the same request."""
    first = posted(system, body, Idempotency_Key="k")
    second = system.submit(system.body(run_timeout_seconds=600), headers={"Idempotency-Key": "k"})
    assert (first.status, second.status) == (202, 202), (first.body, second.body)
    assert second.headers["Idempotency-Replayed"] == "true"
    return first, second.json["input"]


FIELDS = '"video_url": "%s/face.mp4", "audio_url": "%s/speech.wav"'


SAME_BODIES = [
        '{%s, "run_timeout_seconds": 600}',
        '{%s, "run_timeout_seconds": 600.0}',
        '{%s, "run_timeout_seconds": 6e2}',
        '{%s, "run_timeout_seconds": 0.6E+3}',
        "\ufeff{%s, \"run_timeout_seconds\": 600}",  # .NET StreamWriter
        '\r\n\t{%s, "run_timeout_seconds": 600}\r\n',
        '{%s, "run_timeout_seconds": 600}\n',
        '{%s, "run_timeout_seconds": 600, "webhook_url": null, "metadata": null, "aspect_ratio": null,'
        ' "resolution": null, "start_timeout_seconds": null}',
        '{%s, "run_timeout_seconds": 600, "metadata": {}, "aspect_ratio": "source", "start_timeout_seconds": 3600}',
]  # fmt: skip


@pytest.mark.parametrize("body", SAME_BODIES)
def test_bodies_that_mean_the_same_are_the_same_request(system: System, body: str) -> None:
    fields = FIELDS % (system.app.url, system.app.url)
    _, given = rewritten(system, (body % fields).encode())
    assert (given["run_timeout_seconds"], given["start_timeout_seconds"], given["webhook_url"]) == (600, 3600, None)


def test_escaped_slashes_are_slashes(system: System) -> None:
    fields = (FIELDS % (system.app.url, system.app.url)).replace("/", "\\/")  # PHP, Java's Gson
    _, given = rewritten(system, b'{%s, "run_timeout_seconds": 600}' % fields.encode())
    assert given["video_url"] == f"{system.app.url}/face.mp4"


REFUSED_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"video_url": None}, "video_url"),
    ({"colour": None}, "colour"),
    ({"run_timeout_seconds": 600.5}, "run_timeout_seconds"),
    ({"run_timeout_seconds": "600"}, "run_timeout_seconds"),
    ({"run_timeout_seconds": 1e300}, "run_timeout_seconds"),
    ({"run_timeout_seconds": True}, "run_timeout_seconds"),
    ({"run_timeout_seconds": [600]}, "run_timeout_seconds"),
    ({"run_timeout_seconds": 9}, "run_timeout_seconds"),
    ({"run_timeout_seconds": 86_401.0}, "run_timeout_seconds"),
    ({"aspect_ratio": ""}, "aspect_ratio"),
    ({"aspect_ratio": 1}, "aspect_ratio"),
    ({"metadata": "text"}, "metadata"),
    ({"metadata": [1]}, "metadata"),
    ({"webhook_url": ""}, "webhook_url"),
    ({"webhook_url": 5}, "webhook_url"),
    ({"video_url": "https://e.com/" + "x" * 8192}, "video_url"),
]


@pytest.mark.parametrize(("body", "field"), REFUSED_FIELDS, ids=str)
def test_what_is_not_accepted_is_named_in_plain_words(system: System, body: dict[str, Any], field: str) -> None:
    reply = system.submit(system.body(**body))
    assert reply.status == 422
    assert [fault["field"] for fault in reply.json["errors"]] == [field]
    assert not LIBRARIES.search(reply.body), reply.body


def test_the_openapi_document_allows_what_is_accepted_and_nothing_that_is_refused(openapi: OpenApiValidator) -> None:
    fields = FIELDS % ("https://media.example.com", "https://media.example.com")
    schema = {"$ref": "#/components/schemas/Submit"}
    for body in SAME_BODIES:
        openapi.check_schema(schema, json.loads((body % fields).removeprefix("\ufeff")), body)
    for changes, field in REFUSED_FIELDS:
        with pytest.raises(AssertionError):
            openapi.check_schema(schema, json.loads(f"{{{fields}}}") | changes, field)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1" + "0" * 400, "9" * 5000, "1e400", "-1e400"])
def test_a_number_that_is_no_double_is_refused_in_plain_words(system: System, number: str) -> None:
    fields = FIELDS % (system.app.url, system.app.url)
    reply = posted(system, f'{{{fields}, "metadata": {{"n": {number}}}}}'.encode())
    assert (reply.status, reply.json["code"]) == (400, "invalid_json")
    assert reply.json["detail"] == "The body is not acceptable JSON: a number is out of range."


def test_metadata_is_returned_as_it_was_sent(system: System) -> None:
    metadata = {"big": 2**63, "half": 0.5, "text": "ä\u2028", "none": None, "list": [[{}]], "": 1, "10": True}
    job = system.submit(system.body(metadata=metadata)).json
    assert job["metadata"] == metadata
    assert system.read(job["id"]).json["metadata"] == metadata


@pytest.mark.parametrize(
    "query",
    [
        "status=queued&status=running", "status=queued&status=queued", "open=true", "open=True",
        "open=true&status=queued",
        "status=", "page_size=", "page_token=", "created_after=&created_before=&open=&idempotency_key=&request_id=", "",
        "page_size=20", "page_size=020", "page_size=20.0", "page_size=&page_size=5",
        "created_after=0000-01-01T00:00:00Z", "created_after=0001-01-01T00:00:00%2B23:59",
        "created_before=9999-12-31T23:59:60Z", "created_before=9999-12-31T23:59:59.999999999-23:59",
        "created_before=2999-01-01T00:00:00+00:00",  # a plus that is not escaped: Java's URI, encodeURI
        "created_before=2999-01-01T00%3A00%3A00.0000000%2B00%3A00",  # .NET, "O"
        "created_before=2999-01-01t00:00:00.123456789z", "request_id=the-one",
    ],
)  # fmt: skip
def test_queries_of_real_clients_are_accepted(system: System, query: str) -> None:
    system.submit(headers={"X-Request-Id": "the-one"})
    reply = listed(system, query)
    assert reply.status == 200, reply.body
    assert len(reply.json["jobs"]) == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("open=false", "open"), ("open=1", "open"), ("open=true&open=true", "open"), ("status=open", "status"),
        ("status=queued,running", "status"), ("status=queued&status=x", "status"), ("colour=", "colour"),
        ("page_size=-1", "page_size"), ("page_size=1.5", "page_size"), ("page_size=1e1", "page_size"),
        ("page_size=%F0%9F%98%80", "page_size"), ("page_size=1000000000000000000000", "page_size"),
        ("created_after=2026-01-01", "created_after"), ("created_after=1769852400", "created_after"),
        ("created_before=2026-01-01T00:00:00.1234567890Z", "created_before"),
        ("created_before=2026-02-30T00:00:00Z", "created_before"),
        ("created_before=2026-01-01T00:00:00.5+25:00", "created_before"),
        ("idempotency_key=a%20b", "idempotency_key"), ("request_id=%C3%A4", "request_id"),
        ("page_token=%00", "page_token"), ("status=%FF", "status"),
    ],
)  # fmt: skip
def test_a_query_that_is_not_accepted_is_named_in_plain_words(system: System, query: str, field: str) -> None:
    reply = listed(system, query)
    assert (reply.status, reply.json["code"]) == (422, "validation_error")
    assert [fault["field"] for fault in reply.json["errors"]] == [field]
    assert not LIBRARIES.search(reply.body), reply.body


def test_the_list_finds_a_job_by_its_key_and_by_its_request_id(system: System) -> None:
    first = system.submit(headers={"X-Request-Id": "req-1", "Idempotency-Key": "order-1"}).json["id"]
    second = system.submit(headers={"X-Request-Id": "req-1", "Idempotency-Key": "order-2"}).json["id"]
    system.submit(headers={"X-Request-Id": "req-2"})

    def found(query: str) -> list[str]:
        return [job["id"] for job in listed(system, query).json["jobs"]]

    assert found("idempotency_key=order-1") == [first]
    assert found("idempotency_key=order-1&status=queued&open=true&request_id=req-1") == [first]
    assert found("idempotency_key=order-1&status=failed") == found("idempotency_key=order-3") == []
    assert found("idempotency_key=order-1&created_before=2000-01-01T00:00:00Z") == []
    assert sorted(found("request_id=req-1")) == sorted([first, second])
    assert found("request_id=req-1&status=failed&status=cancelled") == found("request_id=req-9") == []
    assert found("open=true&status=succeeded") == []


def test_pages_of_a_filter_belong_to_it(system: System) -> None:
    made = [system.submit(headers={"X-Request-Id": "req-1"}).json["id"] for _ in range(3)]
    first = listed(system, "request_id=req-1&status=running&status=queued&page_size=2").json
    token = quote(first["next_page_token"])
    second = listed(system, f"page_token={token}&request_id=req-1&status=queued&status=running").json
    assert sorted(job["id"] for page in (first, second) for job in page["jobs"]) == sorted(made)
    for other in ("status=queued", "request_id=req-1", "request_id=req-2&status=queued&status=running", "open=true"):
        assert listed(system, f"page_token={token}&{other}").status == 422


def test_created_after_a_jobs_own_time_includes_it_and_created_before_does_not(system: System) -> None:
    job = system.submit().json
    at = job["created_at"]
    finer = at.replace("Z", "999999Z")  # within its millisecond
    for query, count in (
        (f"created_after={at}", 1), (f"created_after={finer}", 1),
        (f"created_before={at}", 0), (f"created_before={finer}", 1),
    ):  # fmt: skip
        assert len(listed(system, query).json["jobs"]) == count, query
