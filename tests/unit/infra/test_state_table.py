"""docs/state-table.md agrees with the code, and an event without an example is reported."""

from pathlib import Path

import pytest

from avatar_jobs.domain.job import events as ev
from avatar_jobs.domain.job.model import JobStatus
from avatar_jobs.domain.job.transition import LIFE_HANDLERS, OUTBOX_HANDLERS, transition
from infra.tools.state_table import exploring, representatives
from infra.tools.state_table.exploring import Table, explore
from infra.tools.state_table.page import state_table
from infra.tools.state_table.representatives import EXAMPLES, MissingRepresentativeError, event_types, examples
from tests.support.factories import NOW, a_job

PAGE = Path(__file__).parents[3] / "docs" / "state-table.md"


@pytest.fixture(scope="module")
def table() -> Table:
    """Returns the table; it is computed once."""
    return explore()


def test_the_page_is_what_the_code_generates() -> None:
    made = state_table()
    assert made == PAGE.read_text(encoding="utf-8"), "make it again: make state-table"


def test_every_event_has_an_example_and_a_new_event_without_one_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(event_types()) == set(EXAMPLES) == {*LIFE_HANDLERS, *OUTBOX_HANDLERS}

    class Surprise(ev.Event):
        """A new event."""

    monkeypatch.setattr(ev, "Surprise", Surprise, raising=False)
    assert Surprise in representatives.event_types()
    with pytest.raises(MissingRepresentativeError, match="Surprise"):
        exploring.explore()


def test_the_examples_reach_every_status_and_every_event_has_an_effect(table: Table) -> None:
    assert {state[0] for state in table} == set(JobStatus)
    idle = [
        event.__name__
        for event in event_types()
        if not any(row[event].leads_to or row[event].changes for row in table.values())
    ]
    assert idle == [], "an event that does nothing anywhere has poor examples or no use"


def test_the_table_keeps_the_rules_of_the_lifecycle(table: Table) -> None:
    for state, row in table.items():
        for event, found in row.items():
            reached = {one[0] for one in found.leads_to}
            if state[0] in ("succeeded", "failed", "cancelled"):
                assert reached <= {state[0]}, f"{event.__name__} changes a finished job"
            if "succeeded" in reached - {state[0]}:
                assert event is ev.OutputVerified, "only a file that was seen is a success"
        if state[1] == "cancelling":
            assert row[ev.DispatchClaimed].leads_to == set(), "nothing is dispatched after a cancel"


def test_the_examples_are_of_the_newest_attempt_and_of_the_one_before() -> None:
    job = transition(a_job(), ev.AttemptFailed(at=NOW, attempt=1, error=representatives.ERROR))
    found = examples(ev.DispatchLost, job, NOW)
    assert [one.attempt for one in found if isinstance(one, ev.DispatchLost)] == [2, 1]
