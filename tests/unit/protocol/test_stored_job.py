"""The stored form of a job: what another release's instance may find in it, and what it finds again after us."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from avatar_jobs.domain.job.events import DispatchSent
from avatar_jobs.domain.job.model import Attempt, Callback, Job, JobStatus, Metrics, TimelineEntry
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.protocol.stored_job import key_expires_at, read_job, to_columns
from tests.support.factories import NOW, a_claim, a_job, an_output, later

NEW = {"of": ["the", {"next": "release"}]}


def a_full_job() -> Job:
    """A job in which every part is present that the model knows."""
    return a_job(webhook_url="https://e.com/").model_copy(
        update={
            "claimed_result": a_claim(),
            "output": an_output(),
            "metrics": Metrics(frames=7),
            "callback": Callback(webhook_id="msg_1"),
        }
    )


def with_new_fields(value: Any) -> Any:
    """The same stored value with a field of the next release in each of its objects; metadata and timers have none."""
    if isinstance(value, list):
        return [with_new_fields(inner) for inner in value]
    if isinstance(value, dict):
        free = ("metadata", "timers", "stages")
        return {**{key: inner if key in free else with_new_fields(inner) for key, inner in value.items()}, "new": NEW}
    return value


def stored(job: Job) -> Any:
    """The body of a job as it is stored, parsed."""
    return json.loads(to_columns(job)["body"])


def read(body: Any) -> Job:
    """The job in a parsed body."""
    return read_job("job-00000001", "studio", json.dumps(body))


def test_what_is_written_is_read_back() -> None:
    assert read(stored(a_full_job())) == a_full_job()


def test_fields_of_the_next_release_are_no_fault_and_survive_our_changes() -> None:
    job = read(with_new_fields(stored(a_full_job())))
    assert job.status is JobStatus.QUEUED

    changed = transition(job, DispatchSent(at=later(1), attempt=1, salad_job_id="s-1"))
    assert changed.attempt.salad_job_id == "s-1"

    after = stored(changed)
    parts = [after, *(after[name] for name in ("input", "claimed_result", "output", "metrics", "callback"))]
    parts += [after["claimed_result"]["output"], after["claimed_result"]["metrics"]]
    parts += [after["attempts"][0], after["timeline"][0]]
    assert [part.get("new") for part in parts] == [NEW] * len(parts)
    assert "new" not in after["timeline"][-1], "what we add is ours"


def test_the_release_before_the_first_one_counts_as_one_before() -> None:
    assert read({**stored(a_job()), "schema_version": 0}).schema_version == 0


def test_a_field_with_its_default_is_not_written() -> None:
    """So an older release, which may refuse what it does not know, meets a new field only in jobs that use it."""
    job = a_full_job()
    body = stored(job)
    optional = {name for name, field in Job.model_fields.items() if not field.is_required()}
    assert {name for name in optional & set(body) if getattr(job, name) == Job.model_fields[name].default} == {
        "schema_version", "retention_sec",
    }, "these two must hold whatever a later default is"  # fmt: skip
    assert set(body["attempts"][0]) == {name for name, field in Attempt.model_fields.items() if field.is_required()}
    assert set(body["timeline"][0]) == {
        name for name, field in TimelineEntry.model_fields.items() if field.is_required()
    }


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\u0000", "😀", "\u2028"])
def test_any_text_that_can_be_stored_can_be_read_again(text: str) -> None:
    job = transition(a_job(), DispatchSent(at=later(1), attempt=1, salad_job_id=text))
    columns = to_columns(job)
    columns["body"].encode()
    assert read_job(job.id, job.client, columns["body"]).attempt.number == 1


def test_every_later_field_of_the_model_has_a_default() -> None:
    """Records of 0.1.0 lack every field that was added after it."""
    first = {
        "Job": {
            "id",
            "client",
            "request_id",
            "status",
            "phase",
            "input",
            "created_at",
            "credentials_expire_at",
            "attempts",
        },
        "Attempt": {"number", "dispatch", "claimed_at"},
        "Callback": {"webhook_id"},
        "TimelineEntry": {"at", "event", "attempt"},
    }
    for model in (Job, Attempt, Callback, TimelineEntry):
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        assert required == first[model.__name__]


def test_a_key_expires_with_its_job_and_never_before_it() -> None:
    job = a_job()
    last_end = job.created_at + timedelta(
        seconds=job.input.start_timeout_seconds + job.input.run_timeout_seconds, minutes=14
    )
    ended = job.model_copy(update={"status": JobStatus.FAILED, "finished_at": last_end})
    expires_at = to_columns(ended)["expires_at"]
    assert expires_at
    assert timedelta(0) < key_expires_at(job) - expires_at < timedelta(days=1)


def test_the_columns_hold_times_and_no_texts() -> None:
    columns = to_columns(a_job())
    assert (columns["created_at"], columns["status"], columns["expires_at"]) == (NOW, "queued", None)
    assert isinstance(columns["next_action_at"], datetime)
