"""The queries, the code's list of indexes and Terraform's agree: the emulator does not enforce indexes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1 import aggregation, query

from avatar_jobs.adapters.firestore_store import FirestoreConnection, FirestoreSnapshotArchive
from avatar_jobs.adapters.firestore_store.jobs import COMPOSITE_INDEXES, FirestoreJobStore
from avatar_jobs.domain.job.model import JobStatus
from avatar_jobs.ports.jobs import JobFilter
from avatar_jobs.protocol.stored_job import JobColumns
from tests.deploy.terraform_root import resources

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EQUAL = {1: "<", 2: "<=", 3: ">", 4: ">=", 5: "==", 8: "in"}
ASCENDING, DESCENDING = 1, 2
Index = tuple[str, tuple[tuple[str, bool], ...]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Records the structured queries that are sent, in order."""
    seen: list[Any] = []

    def stream(self: Any, *_: Any, **__: Any) -> Iterator[Any]:
        seen.append(self._to_protobuf())
        return iter(())

    class Zero:
        value = 0

    def count(self: Any, *_: Any, **__: Any) -> Any:
        seen.append(self._nested_query._to_protobuf())
        return [[Zero]]

    monkeypatch.setattr(query.Query, "stream", stream)
    monkeypatch.setattr(aggregation.AggregationQuery, "get", count)
    return seen


def filters_of(where: Any) -> list[Any]:
    """The single comparisons of a filter."""
    if where.composite_filter.filters:
        return [one for inner in where.composite_filter.filters for one in filters_of(inner)]
    return [where.field_filter] if where.field_filter.field.field_path else []


def needed_index(structured: Any) -> Index | None:
    """The composite index that a query needs: equalities first, then the order; None when one field is enough.

    Rule: Firestore's documentation of index types; `__name__` follows by itself, `in` counts as an equality.
    """
    comparisons = filters_of(structured.where)
    equal = sorted({one.field.field_path for one in comparisons if EQUAL[int(one.op)] in ("==", "in")})
    order = [(one.field.field_path, int(one.direction) == DESCENDING) for one in structured.order_by]
    ranged = [(one.field.field_path, False) for one in comparisons if EQUAL[int(one.op)] not in ("==", "in")]
    ordered = [one for one in (order or ranged[:1]) if one[0] != "__name__"]
    fields = (*((name, False) for name in equal), *ordered)
    return (structured.from_[0].collection_id, fields) if len(fields) > 1 else None


def ask_everything(client: firestore.Client) -> None:
    """Every query of the store, with every combination of its filters."""
    connection = FirestoreConnection(lambda: client)
    jobs = FirestoreJobStore(
        connection,
        pause=lambda _: None,
        jitter=lambda: 0.0,
        draw_id=lambda: "",
        on_conflict=lambda: None,
        on_unreadable=lambda error, *, put_aside: None,
    )
    jobs.due(NOW, 10)
    jobs.unreadable(10)
    for name in (None, "app"):
        jobs.count_open(name)
    for statuses in (None, [JobStatus.FAILED], [JobStatus.QUEUED, JobStatus.RUNNING]):
        for after in (None, NOW):
            for before in (None, NOW):
                for position in (None, (NOW, "0" * 32)):
                    for request_id in (None, "req-1"):
                        jobs.list_jobs(JobFilter("app", statuses, after, before, position, request_id), 10)
    jobs.open_jobs()
    jobs.overview(NOW)
    FirestoreSnapshotArchive(connection).archived_snapshots(NOW, NOW)


@pytest.fixture
def needed(asked: list[Any]) -> set[Index]:
    """The composite indexes that the code's queries need."""
    ask_everything(firestore.Client(project="p", credentials=AnonymousCredentials()))
    assert len(asked) > 25
    return {index for structured in asked if (index := needed_index(structured))}


def test_the_codes_list_of_indexes_is_what_its_queries_need(needed: set[Index]) -> None:
    assert {("jobs", fields) for fields in COMPOSITE_INDEXES} == needed


def test_terraform_makes_exactly_the_indexes_that_queries_need(needed: set[Index], plan: dict[str, Any]) -> None:
    made = {
        (one["collection"], tuple((field["field_path"], field["order"] == "DESCENDING") for field in one["fields"]))
        for one in resources(plan, "google_firestore_index").values()
    }
    assert made == needed


def test_no_field_that_a_query_names_loses_its_index(asked: list[Any], plan: dict[str, Any]) -> None:
    ask_everything(firestore.Client(project="p", credentials=AnonymousCredentials()))
    named = {
        (structured.from_[0].collection_id, field)
        for structured in asked
        for field in [
            *(one.field.field_path for one in filters_of(structured.where)),
            *(one.field.field_path for one in structured.order_by),
        ]
    }
    exempt = {(one["collection"], one["field"]) for one in resources(plan, "google_firestore_field").values()}
    assert exempt & named == set()
    unnamed = {("jobs", field) for field in JobColumns.__annotations__} - named
    assert unnamed <= exempt, "a field that no query names costs writes for its index"


def test_collections_that_expire_have_a_ttl_policy(plan: dict[str, Any]) -> None:
    expiring = {
        one["collection"]: one["field"]
        for one in resources(plan, "google_firestore_field").values()
        if one["ttl_config"]
    }
    assert expiring == {"idempotency": "expires_at", "jobs": "expires_at", "snapshots": "expires_at"}
