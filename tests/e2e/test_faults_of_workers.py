"""Workers that answer malformed results, another job's id or file, an older attempt, or a success without a file."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.faults import Faulty, faulty, faulty_rehearsal
from tests.e2e.rehearsals import Rehearsal
from tests.support.openapi import OpenApiValidator

pytestmark = pytest.mark.e2e
TEN_MB = 9_900_000  # what the padded and the malformed answers have at least


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """One rehearsal for this file's tests."""
    with faulty_rehearsal(tmp_path_factory.mktemp("rehearsal"), replicas=2) as started:
        yield started


@pytest.fixture
def system(running: Rehearsal, openapi: OpenApiValidator) -> Iterator[Faulty]:
    """This test's view of it."""
    with faulty(running, openapi) as one:
        yield one


@pytest.fixture(scope="module")
def other(running: Rehearsal, openapi: OpenApiValidator) -> dict[str, Any]:
    """A finished job, for answers that name another job."""
    with faulty(running, openapi) as one:
        return one.check_outcome(one.submit())


def sizes(system: Faulty, job: dict[str, Any]) -> list[int]:
    """Returns the size in bytes of each answer that Salad accepted for the job."""
    ids = [one["id"] for one in system.salad_jobs(job["id"])]
    return [line["size_bytes"] for line in system.log("salad_sim_job_completed") if line["job_id"] in ids]


WRONG_ANSWERS = ["malformed", "malformed_10_mb", "other_job", "other_file", "older_attempt", "promise"]


@pytest.mark.parametrize("lie", WRONG_ANSWERS)
def test_a_wrong_answer_is_not_accepted_and_the_next_attempt_does_the_job(
    system: Faulty, other: dict[str, Any], lie: str
) -> None:
    job = system.submit(f"order1={lie}&other={other['id']}")
    done = system.check_outcome(job, attempt=2)

    assert [one["status"] for one in system.salad_jobs(job["id"])] == ["succeeded", "succeeded"], "Salad accepted it"
    if lie == "promise":
        looked = [line["outcome"] for line in system.log("output_looked_at", job_id=job["id"])]
        assert looked == ["OutputAbsent", "OutputVerified"]
    else:
        told = [line["outcome"] for line in system.log("salad_job_finished", job_id=job["id"])]
        assert told == ["AttemptFailed", "ResultClaimed"]
    assert (max(sizes(system, job)) >= TEN_MB) == (lie == "malformed_10_mb")
    assert f"/{job['id']}.mp4?" in done["output_url"]
    assert other["id"] not in done["output_url"]


@pytest.mark.parametrize(("lie", "code"), [("malformed", "internal"), ("promise", "output_verification_failed")])
def test_three_wrong_answers_fail_the_job_with_the_code_of_the_reason(system: Faulty, lie: str, code: str) -> None:
    job = system.submit(f"order1={lie}&order2={lie}&order3={lie}")
    done = system.check_outcome(job, "failed", attempt=3)
    assert (done["error"]["code"], done["error"]["retryable"]) == (code, True)
    assert (done["output_url"], len(system.salad_jobs(job["id"]))) == (None, 3)


def test_an_honest_answer_of_ten_megabytes_is_a_success(system: Faulty) -> None:
    job = system.submit("order1=padded")
    system.check_outcome(job)
    assert sizes(system, job)[0] >= TEN_MB


def test_an_answer_over_salads_limit_is_a_failed_attempt(system: Faulty) -> None:
    job = system.submit("order1=oversize")
    system.check_outcome(job, attempt=2)
    first, second = system.salad_jobs(job["id"])
    assert (first["status"], first["attempts"], second["status"]) == ("failed", 4, "succeeded")
