"""Calls to Salad are repeated within bounds; after an unknown outcome a creation is checked before it is repeated."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from avatar_jobs.domain.errors import ProviderError
from infra.ops.fleet.salad import MAX_PAGES, PAGE_SIZE, TRIES, Retrying, Salad, SaladError

Answer = Any


def failure(
    status: int | None, *, happened: bool = False, after: float | None = None, retryable: bool = True
) -> ProviderError:
    return ProviderError(
        f"Salad answered with {status}",
        status=status,
        retryable=retryable,
        may_have_happened=happened,
        retry_after_sec=after,
    )


class Scripted:
    """A transport that answers from a script, one call after the other."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, str]] = []

    def call(
        self,
        method: str,
        url: str,
        expected: int,
        body: Mapping[str, Any] | None = None,
        content_type: str | None = None,
    ) -> Any:
        self.calls.append((method, url.removeprefix("https://salad/api/public/organizations/acme/")))
        answer = self.answers.pop(0)
        if isinstance(answer, ProviderError):
            raise answer
        return answer


class Harness:
    """A client with scripted answers, and the pauses and messages that it made."""

    def __init__(self, *answers: Answer, jitter: float = 0.0) -> None:
        self.pauses: list[float] = []
        self.said: list[str] = []
        self.transport = Scripted(*answers)
        self.salad = Salad(
            self.transport,
            Retrying(self.pauses.append, lambda: jitter, self.said.append),
            base_url="https://salad/api/public",
            organization="acme",
            project="avatar",
        )


def sentence(do: Callable[[], object]) -> str:
    with pytest.raises(SaladError) as caught:
        do()
    return str(caught.value)


def test_a_patch_is_repeated_with_growing_pauses_and_jitter() -> None:
    harness = Harness(failure(503, happened=True), failure(None, happened=True), {}, jitter=1.0)
    harness.salad.update_group("workers", {"replicas": 1})
    assert harness.pauses == [0.75, 1.5]


def test_a_pause_that_salad_asks_for_is_kept_and_reported() -> None:
    harness = Harness(failure(429, after=30.0), {}, jitter=0.5)
    harness.salad.update_group("workers", {"replicas": 1})
    assert harness.pauses == [37.5]
    assert harness.said == ["update_container_group workers: Salad answered with 429; trying again in 38 s"]


def test_tries_are_bounded() -> None:
    harness = Harness(*[failure(503, happened=True)] * TRIES)
    assert (
        sentence(lambda: harness.salad.start_group("workers"))
        == "start_container_group workers: Salad answered with 503"
    )
    assert len(harness.transport.calls) == TRIES


def test_a_pause_longer_than_a_minute_and_a_half_ends_the_command() -> None:
    harness = Harness(failure(429, after=3600.0))
    assert "429" in sentence(lambda: harness.salad.update_group("workers", {}))
    assert harness.pauses == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "update_container_group workers: Salad does not know the key in SALAD_API_KEY (401)"),
        (403, "update_container_group workers: Salad answered with 403; the key in SALAD_API_KEY may not do that"),
        (400, "update_container_group workers: Salad answered with 400"),
    ],
)
def test_a_refusal_that_waiting_does_not_change_is_not_repeated(status: int, said: str) -> None:
    harness = Harness(failure(status, retryable=status != 400))
    assert sentence(lambda: harness.salad.update_group("workers", {})) == said
    assert harness.pauses == []


def test_a_creation_whose_answer_was_lost_is_found_and_not_sent_again() -> None:
    harness = Harness(failure(None, happened=True), {"name": "jobs"})
    harness.salad.create_queue({"name": "jobs"})
    assert [method for method, _ in harness.transport.calls] == ["POST", "GET"]


def test_a_creation_that_is_not_there_is_sent_again() -> None:
    harness = Harness(failure(503, happened=True), failure(404, retryable=False), {"name": "jobs"})
    harness.salad.create_queue({"name": "jobs"})
    assert [method for method, _ in harness.transport.calls] == ["POST", "GET", "POST"]


def test_a_creation_that_shows_late_is_recognized_by_the_refusal_of_the_second() -> None:
    missing = failure(404, retryable=False)
    harness = Harness(failure(503, happened=True), missing, failure(400, retryable=False), {"name": "jobs"})
    harness.salad.create_queue({"name": "jobs"})
    assert [method for method, _ in harness.transport.calls] == ["POST", "GET", "POST", "GET"]


def test_a_refused_creation_is_an_error_even_if_the_name_exists() -> None:
    harness = Harness(failure(400, retryable=False))
    assert "create_queue jobs" in sentence(lambda: harness.salad.create_queue({"name": "jobs"}))


def test_a_creation_that_the_rate_limit_refused_is_sent_again_without_a_check() -> None:
    harness = Harness(failure(429, after=1.0), {"name": "jobs"})
    harness.salad.create_queue({"name": "jobs"})
    assert [method for method, _ in harness.transport.calls] == ["POST", "POST"]


@pytest.mark.parametrize("do", ["delete_group", "stop_group", "delete_queue"])
def test_removing_what_does_not_exist_succeeds(do: str) -> None:
    harness = Harness(failure(None, happened=True), failure(404, retryable=False))
    getattr(harness.salad, do)("workers")
    assert len(harness.transport.calls) == 2


def test_an_unknown_organization_or_project_is_one_sentence() -> None:
    gone = failure(404, retryable=False)
    assert sentence(lambda: Harness(gone).salad.read_state("jobs")).startswith("Salad has no organization acme that")
    harness = Harness({"items": []}, gone)
    assert sentence(lambda: harness.salad.read_state("jobs")).startswith("Salad has no project avatar that")


@pytest.mark.parametrize("answer", [None, [], {}, {"items": 3}, {"items": [3]}])
def test_an_answer_of_another_shape_is_one_sentence(answer: Any) -> None:
    assert "list_gpu_classes: Salad answered with" in sentence(lambda: Harness(answer).salad.read_state("jobs"))


def test_a_group_without_its_fields_is_one_sentence() -> None:
    answers: tuple[dict[str, Any], ...] = (
        {"items": []},
        {"items": []},
        {"items": [{"name": "x"}]},
        {"container_groups_quotas": {}},
    )
    assert "lack a field that its API documents" in sentence(lambda: Harness(*answers).salad.read_state("jobs"))


def test_open_jobs_are_searched_page_by_page_within_a_bound() -> None:
    full = {"items": [{"status": "succeeded"}] * PAGE_SIZE}
    last = {"items": [{"status": "running"}, {"status": "cancelled"}, {"status": "pending"}]}
    assert list(Harness(full, last).salad.open_jobs("jobs")) == ["running", "pending"]
    endless = Harness(*[full] * MAX_PAGES)
    assert "too many to search" in sentence(lambda: list(endless.salad.open_jobs("jobs")))


def test_a_group_that_cannot_be_stopped_is_deleted_anyway() -> None:
    harness = Harness(failure(400, retryable=False))
    harness.salad.stop_group("workers")
    assert len(harness.transport.calls) == 1


def test_control_characters_from_salad_do_not_reach_the_terminal() -> None:
    error = ProviderError("Salad said \x1b[2J", status=400, retryable=False, may_have_happened=False)
    assert sentence(lambda: Harness(error).salad.update_group("workers", {})).endswith("Salad said ?[2J")
