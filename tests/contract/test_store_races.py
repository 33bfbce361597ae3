"""Races between real processes behind a barrier, on both stores; a run in which nobody collided fails."""

import multiprocessing
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest

from avatar_jobs.domain.job.events import Event, OutputVerified, ResultClaimed
from avatar_jobs.domain.job.model import Job, JobStatus
from avatar_jobs.domain.job.transition import transition
from avatar_jobs.ports.jobs import Created
from tests.support.factories import a_claim, a_job, a_record, later
from tests.support.stores import Place, open_store

PROCESSES = 4
ROUNDS = 50  # of submits: their processes start at one moment and meet by themselves
MEETINGS = 15  # of webhooks: every round makes the processes meet
PATIENCE_SEC = 240


def _submit(place: Place, number: int, barrier: Barrier, results: Any) -> None:
    """One process: in every round, one submit with the round's key."""
    conflicts: list[int] = []
    store = open_store(place, lambda: conflicts.append(1))
    for round_number in range(ROUNDS):
        job = a_job(f"job-{round_number:04d}-{number}")
        barrier.wait(PATIENCE_SEC)
        created = store.create(job, a_record(job.id, key=f"key-{round_number}"))
        winner = created.stored.job.id if isinstance(created, Created) else created.record.job_id
        results.put(("round", round_number, winner, isinstance(created, Created)))
    results.put(("conflicts", len(conflicts)))


def meeting(barrier: Barrier, event: Event) -> Callable[[Job], Job]:
    """Returns a change that waits in its first run until every process has read the job: all but one must conflict."""
    waits = [barrier]

    def changed(job: Job) -> Job:
        if waits:
            waits.pop().wait(PATIENCE_SEC)
        return transition(job, event)

    return changed


def _webhook(place: Place, number: int, barrier: Barrier, results: Any) -> None:
    """One process: in every round, the same two events that a webhook causes; only one process may end the job."""
    conflicts: list[int] = []
    store = open_store(place, lambda: conflicts.append(1))
    for round_number in range(MEETINGS):
        job = a_job(f"job-{round_number:04d}", webhook_url="https://example.com/hook")
        if number == 0:
            store.create(job, None)
        barrier.wait(PATIENCE_SEC)
        claim = ResultClaimed(at=later(10), result=a_claim(at=later(10)))
        verified = OutputVerified(at=later(11), attempt=1)
        store.update(job.id, meeting(barrier, claim))
        updated = store.update(job.id, meeting(barrier, verified))
        assert updated is not None
        ended = updated.changed and updated.after.job.status is JobStatus.SUCCEEDED
        results.put(("round", round_number, len(updated.after.job.timeline), ended))
    results.put(("conflicts", len(conflicts)))


def _watched(target: Any, place: Place, number: int, barrier: Barrier, results: Any) -> None:
    """Runs one racer; one that fails tells why at once, instead of leaving the others waiting."""
    try:
        target(place, number, barrier, results)
    except BaseException as error:
        results.put(("died", repr(error)))
        barrier.abort()
        raise


def race(target: Any, place: Place, count: int) -> tuple[dict[int, list[tuple[Any, bool]]], int]:
    """Runs the target's `count` rounds in PROCESSES processes; returns what each gave, and the number of conflicts."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(PROCESSES), context.Queue()
    racers = [
        context.Process(target=_watched, args=(target, place, number, barrier, results), daemon=True)
        for number in range(PROCESSES)
    ]
    for racer in racers:
        racer.start()
    rounds: dict[int, list[tuple[Any, bool]]] = {number: [] for number in range(count)}
    conflicts = 0
    for _ in range(PROCESSES * (count + 1)):
        kind, *rest = results.get(timeout=PATIENCE_SEC)
        assert kind != "died", rest
        if kind == "conflicts":
            conflicts += rest[0]
        else:
            rounds[rest[0]].append((rest[1], rest[2]))
    for racer in racers:
        racer.join(PATIENCE_SEC)
        assert racer.exitcode == 0
        racer.close()
    results.close()
    results.join_thread()
    return rounds, conflicts


@pytest.mark.timeout(PATIENCE_SEC)
def test_submits_with_one_key_at_one_moment_make_one_job(place: Place) -> None:
    rounds, conflicts = race(_submit, place, ROUNDS)

    store = open_store(place)
    for number, outcomes in rounds.items():
        winners = {job_id for job_id, _ in outcomes}
        assert len(winners) == 1, f"round {number}: {outcomes}"
        assert sum(created for _, created in outcomes) == 1
        written = [store.get(f"job-{number:04d}-{process}") for process in range(PROCESSES)]
        assert sum(stored is not None for stored in written) == 1
    assert conflicts >= ROUNDS, "the processes never met: the race proved nothing"


@pytest.mark.timeout(PATIENCE_SEC)
def test_webhooks_at_one_moment_end_a_job_once(place: Place) -> None:
    rounds, conflicts = race(_webhook, place, MEETINGS)

    for number, outcomes in rounds.items():
        assert sum(ended for _, ended in outcomes) == 1, f"round {number}: {outcomes}"
        assert {length for length, _ in outcomes} == {3}, "accepted, claimed, succeeded: each once"
    assert conflicts >= 2 * MEETINGS * (PROCESSES - 1), "the processes did not meet"
