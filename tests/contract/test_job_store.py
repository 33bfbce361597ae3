"""The three store ports: one suite over every adapter."""

from dataclasses import replace
from typing import Any

import pytest

from avatar_jobs.domain.errors import JobErrorCode
from avatar_jobs.domain.job.events import DispatchSent, JobRefused, RunReported
from avatar_jobs.domain.job.model import Job, JobError, JobStatus, Phase
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.ports.archive import SnapshotArchive
from avatar_jobs.ports.jobs import AlreadyCreated, Created, JobFilter, JobStore, OpenJobs
from avatar_jobs.ports.tick_state import FleetState, TickState
from tests.support.factories import NOW, a_job, a_record, later
from tests.support.stores import Place, open_store, open_stores


@pytest.fixture
def conflicts() -> list[str]:
    """One entry for each conflict that the store noticed."""
    return []


@pytest.fixture
def store(place: Place, conflicts: list[str]) -> JobStore:
    """The store under test."""
    return open_store(place, lambda: conflicts.append("conflict"))


@pytest.fixture
def tick_state(place: Place) -> TickState:
    """The tick state under test."""
    return open_stores(place).tick_state


@pytest.fixture
def archive(place: Place) -> SnapshotArchive:
    """The snapshot archive under test."""
    return open_stores(place).archive


def sent(job: Job) -> Job:
    """Applies an event that changes a fresh job."""
    return transition(job, DispatchSent(at=later(1), attempt=1, salad_job_id="s-1"))


def test_a_job_is_read_back_exactly_as_it_was_written(store: JobStore) -> None:
    job = a_job()
    created = store.create(job, None)
    assert isinstance(created, Created)

    read = store.get(job.id)
    assert read is not None
    assert read.job == job
    assert read.version == created.stored.version


def test_an_unknown_job_is_none(store: JobStore) -> None:
    assert store.get("no-such-job") is None
    assert store.update("no-such-job", sent) is None


def test_a_second_create_with_the_key_writes_nothing_and_gives_the_first_record(store: JobStore) -> None:
    first, second = a_job("job-0000000a"), a_job("job-0000000b")
    store.create(first, a_record(first.id))

    again = store.create(second, a_record(second.id, fingerprint="other"))

    assert isinstance(again, AlreadyCreated)
    assert again.record == a_record(first.id)
    assert store.get(second.id) is None


@pytest.mark.parametrize("key", [".", "..", "__x__", "~" * 128])
def test_keys_are_scoped_to_the_client_and_may_have_any_characters(store: JobStore, key: str) -> None:
    for client in ("studio", "campaigns"):
        job = a_job(f"job-{client}", client=client)
        assert isinstance(store.create(job, a_record(job.id, key=key, client=client)), Created)


def test_an_update_writes_the_change_and_its_result_is_the_next_version(store: JobStore) -> None:
    job = a_job()
    store.create(job, None)

    updated = store.update(job.id, sent)

    assert updated is not None
    assert updated.changed
    assert (updated.before, updated.after.job) == (job, sent(job))
    assert store.get(job.id) == updated.after


def test_a_change_that_changes_nothing_writes_nothing(store: JobStore) -> None:
    job = a_job()
    store.create(job, None)
    before = store.get(job.id)

    updated = store.update(job.id, lambda same: same)

    assert updated is not None
    assert not updated.changed
    assert store.get(job.id) == before


def test_an_update_from_a_stale_version_is_a_conflict_and_applies_to_the_fresh_job(
    store: JobStore, conflicts: list[str]
) -> None:
    job = a_job()
    created = store.create(job, None)
    assert isinstance(created, Created)
    store.update(job.id, sent)
    report = RunReported(at=later(2), attempt=1, run_id="r", seq=0, phase=Phase.STARTING, progress=0.0)

    updated = store.update(job.id, lambda fresh: transition(fresh, report), known=created.stored)

    assert conflicts == ["conflict"]
    assert updated is not None
    assert updated.after.job.status is JobStatus.RUNNING
    assert updated.after.job.attempt.salad_job_id == "s-1"


def test_an_update_from_the_known_version_needs_no_read(store: JobStore, conflicts: list[str]) -> None:
    job = a_job()
    created = store.create(job, None)
    assert isinstance(created, Created)
    seen: list[Job] = []

    def change(known: Job) -> Job:
        seen.append(known)
        return sent(known)

    store.update(job.id, change, known=created.stored)

    assert seen == [job]
    assert seen[0] is created.stored.job
    assert conflicts == []


def test_due_jobs_come_earliest_first_within_the_limit_and_only_when_due(store: JobStore) -> None:
    for number, wait in enumerate([30, 10, 20, 5000]):
        store.create(a_job(f"job-0000000{number}", now=later(wait)), None)

    due = store.due(later(20 + 30), 10)
    assert [stored.job.id for stored in due] == ["job-00000001", "job-00000002"]
    assert [stored.job.id for stored in store.due(later(100), 2)] == ["job-00000001", "job-00000002"]
    assert store.due(NOW, 10) == []


def test_a_due_job_can_be_updated_from_the_version_it_came_with(store: JobStore, conflicts: list[str]) -> None:
    store.create(a_job(), None)
    (due,) = store.due(later(60), 10)

    assert store.update(due.job.id, sent, known=due)
    assert conflicts == []
    assert store.due(later(60), 10) == []


def test_the_tick_lease_has_one_holder_until_it_runs_out_or_is_given_back(tick_state: TickState) -> None:
    assert tick_state.take_tick_lease("a", NOW, later(50))
    assert tick_state.take_tick_lease("a", later(1), later(50))
    assert not tick_state.take_tick_lease("b", later(49), later(99))
    assert tick_state.take_tick_lease("b", later(50), later(99))
    tick_state.release_tick_lease("a", later(51), {})
    assert not tick_state.take_tick_lease("c", later(52), later(99))
    tick_state.release_tick_lease("b", later(53), {})
    assert tick_state.take_tick_lease("c", later(54), later(99))


def finished(job: Job) -> Job:
    """A job that a worker refused."""
    error = JobError(code=JobErrorCode.MEDIA_CORRUPT, message="m", stage="s", retryable=False)
    return transition(job, JobRefused(at=later(5), attempt=1, error=error))


def test_open_jobs_are_counted_for_one_client_and_for_all(store: JobStore) -> None:
    for number, client in enumerate(["studio", "studio", "campaigns"]):
        store.create(a_job(f"job-0000000{number}", client=client), None)
    store.update("job-00000000", finished)

    assert (store.count_open("studio"), store.count_open("campaigns"), store.count_open("nobody")) == (1, 1, 0)
    assert store.count_open(None) == 2


def test_a_list_is_newest_first_and_continues_after_a_position_also_among_equal_times(store: JobStore) -> None:
    for number, wait in enumerate([0, 1, 1, 1, 2]):
        store.create(a_job(f"job-0000000{number}", now=later(wait)), None)
    store.create(a_job("job-another1", now=later(1), client="campaigns"), None)

    wanted, seen = JobFilter(client="studio"), []
    while page := store.list_jobs(wanted, 2):
        seen += [job.id for job in page]
        wanted = replace(wanted, position=(page[-1].created_at, page[-1].id))
    assert seen == ["job-00000004", "job-00000003", "job-00000002", "job-00000001", "job-00000000"]


def test_a_list_is_filtered_by_status_and_by_times_from_the_first_to_before_the_second(store: JobStore) -> None:
    for number in range(4):
        store.create(a_job(f"job-0000000{number}", now=later(number)), None)
    store.update("job-00000002", finished)
    created = a_job(now=later(1)).created_at

    def ids(**filters: Any) -> list[str]:
        return [job.id[-1] for job in store.list_jobs(JobFilter(client="studio", **filters), 10)]

    assert ids(statuses=[JobStatus.FAILED]) == ["2"]
    assert ids(statuses=[JobStatus.QUEUED], created_after=created) == ["3", "1"]
    assert ids(statuses=[JobStatus.FAILED, JobStatus.RUNNING, JobStatus.QUEUED]) == ["3", "2", "1", "0"]
    assert ids(created_before=created) == ["0"]
    assert ids(created_after=created, created_before=later(3)) == ["2", "1"]


def test_a_list_is_filtered_by_request_id_with_every_other_filter(store: JobStore) -> None:
    for number, request_id in enumerate(["req-1", "req-2", "req-1", "req-1"]):
        job = a_job(f"job-0000000{number}", now=later(number)).model_copy(update={"request_id": request_id})
        store.create(job, None)
    store.create(a_job("job-another1", client="campaigns"), None)
    store.update("job-00000002", finished)

    def ids(limit: int = 10, **filters: Any) -> list[str]:
        wanted = JobFilter(client="studio", request_id="req-1", **filters)
        found = store.list_jobs(wanted, limit)
        assert all(wanted.matches(job) for job in found)
        return [job.id[-1] for job in found]

    assert ids() == ["3", "2", "0"]
    assert ids(statuses=[JobStatus.QUEUED]) == ["3", "0"]
    assert ids(statuses=[JobStatus.QUEUED, JobStatus.FAILED], created_after=later(1)) == ["3", "2"]
    assert ids(limit=1, position=(a_job(now=later(3)).created_at, "job-00000003")) == ["2"]


def test_the_overview_counts_finished_jobs_since_a_time_and_finds_the_oldest_queued_one(store: JobStore) -> None:
    empty = store.overview(NOW)
    assert (set(empty.by_status.values()), empty.oldest_queued_at) == ({0}, None)
    for number in range(4):
        store.create(a_job(f"job-0000000{number}", now=later(number)), None)
    store.update("job-00000000", finished)
    store.update("job-00000001", finished)

    overview = store.overview(a_job(now=later(1)).created_at)
    assert (overview.by_status[JobStatus.QUEUED], overview.by_status[JobStatus.FAILED]) == (2, 1)
    assert overview.oldest_queued_at == a_job(now=later(2)).created_at


def test_a_purge_removes_job_and_record_and_may_be_repeated(store: JobStore) -> None:
    job = a_job().model_copy(update={"idempotency_key": "key-1"})
    store.create(job, a_record(job.id))
    assert store.find_record("studio", "key-1") == a_record(job.id)
    for _ in range(2):
        store.purge(job)
    assert store.get(job.id) is None
    assert store.find_record("studio", "key-1") is None


def test_the_fleet_state_is_what_the_last_tick_left(tick_state: TickState) -> None:
    assert tick_state.fleet_state() == FleetState(None, {})
    tick_state.take_tick_lease("a", NOW, later(50))
    tick_state.release_tick_lease("a", later(3), {"queue_length": 7, "instances": {"running": 2}})
    assert tick_state.fleet_state() == FleetState(later(3), {"queue_length": 7, "instances": {"running": 2}})


def test_a_tick_that_did_not_finish_leaves_what_the_one_before_left(tick_state: TickState) -> None:
    tick_state.take_tick_lease("a", NOW, later(50))
    tick_state.release_tick_lease("a", later(3), {"queue_length": 7})
    tick_state.take_tick_lease("b", later(60), later(110))
    tick_state.release_tick_lease("b", later(63), None)
    assert tick_state.fleet_state() == FleetState(later(3), {"queue_length": 7})
    assert tick_state.take_tick_lease("c", later(64), later(110)) is True, "the lease is free"


def test_the_fleet_state_is_stored_in_the_middle_of_a_tick_by_the_leases_holder_alone(tick_state: TickState) -> None:
    assert tick_state.take_tick_lease("a", NOW, later(50))
    tick_state.store_fleet_state("a", {"last_set": {"g": 1}})
    tick_state.store_fleet_state("b", {"last_set": {"g": 2}})
    assert tick_state.fleet_state() == FleetState(None, {"last_set": {"g": 1}})
    assert not tick_state.take_tick_lease("b", later(10), later(60)), "the lease is still held"


def test_open_jobs_are_counted_and_the_oldest_queued_one_is_found(store: JobStore) -> None:
    assert store.open_jobs() == OpenJobs(0, 0, None)
    for number in range(4):
        store.create(a_job(f"job-0000000{number}", now=later(number)), None)
    store.update("job-00000000", finished)
    store.update("job-00000001", lambda job: job.model_copy(update={"status": JobStatus.RUNNING}))
    assert store.open_jobs() == OpenJobs(2, 1, a_job(now=later(2)).created_at)


def test_archived_snapshots_are_read_back_by_time_oldest_first(archive: SnapshotArchive) -> None:
    for seconds in (120, 0, 60):
        archive.archive_snapshot(later(seconds), {"at": seconds, "groups": {"a": {"replicas": 1}}}, later(10_000))
    assert [record["at"] for record in archive.archived_snapshots(NOW, later(120))] == [0, 60]
    assert list(archive.archived_snapshots(later(121), later(500))) == []


def test_the_key_of_a_job_that_is_gone_is_forgotten_unless_another_job_has_it_by_now(store: JobStore) -> None:
    first, second = a_job("job-0000000a"), a_job("job-0000000b")
    store.create(first, a_record(first.id))
    store.purge(first)  # it has no key, so the record stays: as after the store's own time-to-live
    assert store.find_record("studio", "key-1") == a_record(first.id)

    store.forget_key(a_record(first.id))
    store.forget_key(a_record(first.id))
    assert isinstance(store.create(second, a_record(second.id)), Created)
    store.forget_key(a_record(first.id))
    assert store.find_record("studio", "key-1") == a_record(second.id)
