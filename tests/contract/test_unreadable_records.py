"""Records that cannot be read: they are put aside, and nothing else is hindered. One suite over every store."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from avatar_jobs.domain.errors import RecordUnreadableError, StorageUnavailableError
from avatar_jobs.domain.job.model import Job, JobStatus, Timer
from avatar_jobs.ports.jobs import Created, JobFilter, JobStore, OpenJobs
from avatar_jobs.protocol.stored_job import read_job
from tests.support.factories import NOW, a_job, a_record, later
from tests.support.stores import Place, body_of, open_store, open_stores, overwrite, overwrite_all

GOOD = a_job("job-good0000")
DAY = timedelta(days=1)


def attempt(**changes: Any) -> list[dict[str, Any]]:
    """The one attempt of a new job, as it is stored."""
    return [{"number": 1, "dispatch": "sending", "claimed_at": NOW.isoformat(), **changes}]


# name -> what stands in the column `body`
DAMAGE = {
    "no text": None,
    "empty": "",
    "broken JSON": '{"id": "job-',
    "not an object": "[1, 2]",
    "a number": "7",
    "nested too deep": "[" * 100_000,
    "half a surrogate pair": '{"id": "\\ud800"}',
    "five releases ahead": body_of(GOOD, schema_version=6, status="dreaming"),
    "a release long gone": body_of(GOOD, schema_version=-1),
    "a version that is none": body_of(GOOD, schema_version="new"),
    "an unknown status": body_of(GOOD, status="dreaming"),
    "an unknown phase": body_of(GOOD, phase="daydreaming"),
    "an unknown timer": body_of(GOOD, timers={"nap": NOW.isoformat()}),
    "an unknown state of a dispatch": body_of(GOOD, attempts=attempt(dispatch="lost")),
    "a field is missing": body_of(GOOD, input=...),
    "a field of another type": body_of(GOOD, attempts="none"),
    "no attempt": body_of(GOOD, attempts=[]),
    "a time of year 1": body_of(GOOD, created_at="0001-01-01T00:00:00+14:00"),
    "a time of year 9999": body_of(GOOD, timers={"dispatch": "9999-12-31T23:59:59-12:00"}),
    "a time that is none": body_of(GOOD, created_at="yesterday"),
    "a time without a zone": body_of(GOOD, attempts=attempt(claimed_at="2026-01-02T03:04:05")),
    "an id of another record": body_of(GOOD, id="job-another0"),
    "a client of another record": body_of(GOOD, client="campaigns"),
}


@dataclass
class Noted:
    """The records that a store left out."""

    put_aside: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    meanwhile: Callable[[str], None] = lambda job_id: None

    def __call__(self, error: RecordUnreadableError, *, put_aside: bool) -> None:
        """See OnUnreadable."""
        (self.put_aside if put_aside else self.left_out).append(error.job_id)
        self.meanwhile(error.job_id)


@pytest.fixture
def noted() -> Noted:
    """What the store under test left out."""
    return Noted()


@pytest.fixture
def store(place: Place, noted: Noted) -> JobStore:
    """The store under test."""
    return open_store(place, on_unreadable=noted)


def damaged(place: Place, store: JobStore, body: str | None, job_id: str = "job-good0000", *, at: float = 0) -> Job:
    """A stored job whose body was replaced."""
    job = a_job(job_id, now=later(at))
    store.create(job, None)
    overwrite(place, job_id, body=body)
    return job


@pytest.mark.parametrize("body", DAMAGE.values(), ids=DAMAGE.keys())
def test_reading_it_is_one_kind_of_error_without_a_stored_value(body: str | None) -> None:
    with pytest.raises(RecordUnreadableError) as refused:
        read_job(GOOD.id, GOOD.client, body)
    told = str(refused.value)
    assert GOOD.id in told
    for stored in ("https://", "dreaming", "example.com", "req-1"):
        assert stored not in told
    assert refused.value.__cause__ is None, "the cause would tell values to whoever logs it"


def test_the_reason_of_another_release_is_its_schema_version() -> None:
    with pytest.raises(RecordUnreadableError, match="schema version 6, this release reads 0 and 1"):
        read_job(GOOD.id, GOOD.client, DAMAGE["five releases ahead"])


def test_every_kind_of_damage_together_hinders_nothing_else(place: Place, store: JobStore, noted: Noted) -> None:
    names = [f"job-{number:08}" for number in range(len(DAMAGE))]
    for name, body in zip(names, DAMAGE.values(), strict=True):
        damaged(place, store, body, name)
    store.create(a_job("job-good0001", now=later(1)), None)

    assert [stored.job.id for stored in store.due(later(60), 500)] == ["job-good0001"]
    assert [job.id for job in store.list_jobs(JobFilter("studio"), 10)] == ["job-good0001"]
    assert sorted(noted.left_out) == sorted(names * 2)
    assert store.count_open("studio") == len(DAMAGE) + 1
    assert store.open_jobs() == OpenJobs(len(DAMAGE) + 1, 0, NOW)
    assert store.overview(NOW).by_status[JobStatus.QUEUED] == len(DAMAGE) + 1
    for name in names:
        with pytest.raises(RecordUnreadableError):
            store.get(name)
        with pytest.raises(RecordUnreadableError):
            store.update(name, lambda job: job)


def test_more_of_them_than_a_tick_reads_leave_room_for_the_others_at_once(
    place: Place, store: JobStore, noted: Noted
) -> None:
    for number in range(12):
        damaged(place, store, "{", f"job-{number:08}")
    for number in range(3):
        store.create(a_job(f"job-good000{number}", now=later(1)), None)

    assert store.due(later(60), 10) == [], "a question without the tick's consent moves nothing"
    due = store.due(later(60), 10, put_aside=True)

    assert [stored.job.id for stored in due] == ["job-good0000", "job-good0001", "job-good0002"]
    assert len(noted.put_aside) == len(set(noted.put_aside)) == 12, "each is told once"
    assert [stored.job.id for stored in store.due(later(60), 10, put_aside=True)][:1] == ["job-good0000"]
    assert len(noted.put_aside) == 12


def test_its_pause_grows_up_to_a_day_and_the_operator_sees_it(place: Place, store: JobStore) -> None:
    damaged(place, store, body_of(GOOD, status="dreaming"))
    assert store.unreadable(10) == []

    at, pauses = later(60), []
    for times in range(1, 15):
        assert store.due(at, 10, put_aside=True) == []
        [found] = store.unreadable(10)
        assert (found.id, found.client, found.status, found.times) == ("job-good0000", "studio", "queued", times)
        assert (found.since, found.reason) == (later(60), "status: enum")
        assert found.next_try_at
        pauses.append(found.next_try_at - at)
        assert store.due(found.next_try_at - timedelta(seconds=1), 10) == []
        at = found.next_try_at
    assert pauses[:4] == [timedelta(minutes=minutes) for minutes in (1, 2, 4, 8)]
    assert pauses[-1] == pauses[-2] == DAY


def test_the_release_that_can_read_it_finds_it_due_and_ends_that(place: Place, store: JobStore) -> None:
    job = damaged(place, store, "{")
    store.due(later(60), 10, put_aside=True)
    overwrite(place, job.id, body=body_of(job))
    assert store.unreadable(10) == [], "what can be read is not shown"

    [due] = store.due(later(121), 10, put_aside=True)
    assert due.job == job
    store.update(job.id, lambda known: known.model_copy(update={"timers": {Timer.CANCEL: later(500)}}), known=due)
    assert store.due(later(499), 10) == []
    overwrite(place, job.id, body="{")
    assert store.unreadable(10) == [], "its next time is its first"
    store.due(later(501), 10, put_aside=True)
    assert [found.times for found in store.unreadable(10)] == [1]


def test_a_record_that_was_written_in_the_meantime_is_not_put_aside(
    place: Place, store: JobStore, noted: Noted
) -> None:
    """The release that can read it was faster: its time for the next action stays."""
    jobs = [damaged(place, store, "{", f"job-{number:08}") for number in range(2)]
    other = open_store(place)

    def repair_the_first(job_id: str) -> None:
        if job_id == jobs[0].id:
            overwrite(place, job_id, body=body_of(jobs[0]))
            other.update(job_id, lambda job: job.model_copy(update={"timers": {Timer.CANCEL: later(70)}}))

    noted.meanwhile = repair_the_first
    store.due(later(60), 10, put_aside=True)

    assert [found.id for found in store.unreadable(10)] == [jobs[1].id], "the other one of the batch is put aside"
    assert [stored.job.id for stored in store.due(later(70), 10)] == [jobs[0].id]


def test_pages_go_on_behind_any_number_of_them(place: Place, store: JobStore) -> None:
    for number in range(9):
        if number in (0, 4, 8):
            store.create(a_job(f"job-{number:08}", now=later(number)), None)
        else:
            damaged(place, store, "{", f"job-{number:08}", at=number)

    wanted, seen = JobFilter(client="studio"), []
    while page := store.list_jobs(wanted, 2):
        seen.append([job.id[-1] for job in page])
        wanted = replace(wanted, position=(page[-1].created_at, page[-1].id))
    assert seen == [["8", "4"], ["0"]]


def test_the_record_of_a_key_that_cannot_be_read_is_the_same_error(place: Place, store: JobStore) -> None:
    job = a_job()
    assert isinstance(store.create(job, a_record(job.id, key="k", fingerprint="f")), Created)
    overwrite_all(place, "idempotency", '{"client": 7}')
    with pytest.raises(RecordUnreadableError, match="idempotency key"):
        store.find_record("studio", "k")
    with pytest.raises(StorageUnavailableError):
        store.create(a_job("job-00000002"), a_record("job-00000002", key="k"))


def test_a_tick_begins_anew_when_what_the_last_one_left_cannot_be_read(place: Place) -> None:
    stores = open_stores(place)
    for left in ("{", "[]", "7", "[" * 100_000):
        assert stores.tick_state.take_tick_lease("a", NOW, later(50))
        stores.tick_state.release_tick_lease("a", later(3), {"queue_length": 7})
        overwrite_all(place, "fleet", left)
        state = stores.tick_state.fleet_state()
        assert (state.last_tick_at, state.fleet) == (later(3), {})
    stores.archive.archive_snapshot(NOW, {"at": 0}, later(10_000))
    overwrite_all(place, "snapshots", "{")
    stores.archive.archive_snapshot(later(60), {"at": 60}, later(10_000))
    assert [record["at"] for record in stores.archive.archived_snapshots(NOW, later(120))] == [60]
