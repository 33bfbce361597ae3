"""The list, its filters and page tokens; health; and the limits on open jobs."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from avatar_jobs.services.intake import admission
from tests.support.functions import API_KEY, OTHER_KEY, Reply
from tests.support.salad_side import file_stands, result, webhook
from tests.support.system import System


def listed(system: System, *, key: str = API_KEY, **query: Any) -> Reply:
    """GETs the list."""
    path = "/v1/avatar/jobs" + (f"?{urlencode(query)}" if query else "")
    return system.function("submit_job").call("GET", path, headers={"X-Internal-API-Key": key})


def ids(reply: Reply) -> list[str]:
    """The ids on a page."""
    assert reply.status == 200, reply.body
    return [job["id"] for job in reply.json["jobs"]]


def submitted(system: System, count: int) -> list[str]:
    """Submits jobs a second apart; returns their ids, newest first."""
    made = []
    for _ in range(count):
        made.append(system.submit().json["id"])
        system.move_clock(1)
    return made[::-1]


def test_pages_come_newest_first_and_end(system: System) -> None:
    made = submitted(system, 5)
    seen, token = [], None
    for expected in (2, 2, 1):
        page = listed(system, page_size=2, **({"page_token": token} if token else {}))
        assert len(ids(page)) == expected
        seen += ids(page)
        token = page.json["next_page_token"]
    assert (seen, token) == (made, None)
    assert listed(system).json["jobs"][0] == system.read(made[0]).json, "the list shows what GET shows"


def test_a_page_that_is_exactly_full_has_no_next_one(system: System) -> None:
    made = submitted(system, 2)
    page = listed(system, page_size=2)
    assert (ids(page), page.json["next_page_token"]) == (made, None)


def test_new_jobs_do_not_shift_the_pages(system: System) -> None:
    made = submitted(system, 4)
    first = listed(system, page_size=2)
    submitted(system, 3)
    assert ids(first) + ids(listed(system, page_size=2, page_token=first.json["next_page_token"])) == made


def test_filters_by_status_and_time(system: System) -> None:
    made = submitted(system, 3)
    oldest = system.read(made[2]).json
    file_stands(system)
    webhook(system, oldest, result(oldest))
    middle = system.read(made[1]).json["created_at"]

    assert ids(listed(system, status="succeeded")) == [made[2]]
    assert ids(listed(system, status="queued")) == made[:2]
    assert ids(listed(system, created_after=middle)) == made[:2]
    assert ids(listed(system, created_before=middle)) == made[2:]
    assert ids(listed(system, created_after=middle, created_before=middle)) == []
    with_offset = datetime.fromisoformat(middle).isoformat()
    assert ids(listed(system, created_after=with_offset)) == made[:2]


def test_another_client_sees_its_own_jobs_alone(system: System) -> None:
    submitted(system, 2)
    assert ids(listed(system, key=OTHER_KEY)) == []


def test_page_tokens_cannot_be_made_up_moved_or_used_by_others(system: System) -> None:
    submitted(system, 3)
    token = listed(system, page_size=1).json["next_page_token"]
    assert len(ids(listed(system, page_size=1, page_token=token))) == 1
    flipped = token[:50] + ("A" if token[50] != "A" else "B") + token[51:]
    wrong = [
        listed(system, page_token=flipped),
        listed(system, page_token="made-up"),
        listed(system, page_token="\u00e9"),
        listed(system, page_token=token, status="queued"),
        listed(system, page_token=token, key=OTHER_KEY),
    ]
    for reply in wrong:
        assert (reply.status, reply.json["code"]) == (422, "validation_error")
        assert reply.json["errors"][0]["field"] == "page_token"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("page_size=ten", "page_size"),
        ("page_size=1&page_size=2", "page_size"),
        ("created_after=yesterday", "created_after"),
        ("created_after=2026-01-01T00:00:00", "created_after"),
        ("created_before=2026-01-01T00:00:00+0000", "created_before"),
        ("created_before=2026-13-01T00:00:00Z", "created_before"),
        ("colour=red", "colour"),
    ],
)
def test_a_bad_query_names_its_parameter(system: System, query: str, field: str) -> None:
    reply = system.function("submit_job").call(
        "GET", f"/v1/avatar/jobs?{query}", headers={"X-Internal-API-Key": API_KEY}
    )
    assert (reply.status, reply.json["code"]) == (422, "validation_error")
    assert [fault["field"] for fault in reply.json["errors"]] == [field]


def health(system: System) -> Any:
    """GETs health."""
    reply = system.function("job_status").call("GET", "/v1/avatar/health", headers={"X-Internal-API-Key": API_KEY})
    assert reply.status == 200
    return reply.json


def test_health_counts_jobs_and_shows_what_the_last_tick_saw(system: System) -> None:
    before = health(system)
    assert (before["fleet"], before["last_tick_at"], before["oldest_wait_seconds"]) == (None, None, None)
    done = system.submit().json
    file_stands(system)
    webhook(system, done, result(done))
    system.submit()
    system.move_clock(30)
    system.tick()
    system.move_clock(10)

    now = health(system)
    assert now["jobs"] == {"queued": 1, "running": 0, "succeeded": 1, "failed": 0, "cancelled": 0}
    assert 39 <= now["oldest_wait_seconds"] <= 45
    assert 9 <= now["last_tick_age_seconds"] <= 15
    assert now["fleet"] == {"allocating": 0, "creating": 0, "running": 0, "stopping": 0}
    assert now["queue_length"] == 3


def test_health_needs_a_key(system: System) -> None:
    assert system.function("job_status").call("GET", "/v1/avatar/health").status == 401


def test_a_full_queue_is_a_429_for_the_client_and_then_for_all(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_OPEN_OF_CLIENT", 2)
    monkeypatch.setattr(admission, "MAX_OPEN", 3)
    key = {"Idempotency-Key": "first"}
    first = system.submit(headers=key).json["id"]
    system.submit()

    full = system.submit()
    assert (full.status, full.json["code"], full.headers["Retry-After"]) == (429, "queue_full", "30")
    assert full.json["detail"].startswith("Your client has 2 open jobs, which is the limit.")
    replay = system.submit(headers=key)
    assert (replay.status, replay.json["id"]) == (202, first), "a repeated request is not a new job"
    assert system.submit(key=OTHER_KEY).status == 202
    assert (
        system.submit(key=OTHER_KEY)
        .json["detail"]
        .startswith("All clients together have 3 open jobs, which is the limit.")
    )


def test_a_finished_job_makes_room(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "MAX_OPEN_OF_CLIENT", 1)
    job = system.submit().json
    assert system.submit().status == 429
    file_stands(system)
    webhook(system, job, result(job))
    system.move_clock(3)  # counts are good for two seconds
    assert system.submit().status == 202
