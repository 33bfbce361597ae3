"""What "the same body" means, also across releases."""

from typing import Any

import pytest

from avatar_jobs.domain.idempotency import FIRST_FIELDS, fingerprint
from avatar_jobs.domain.job.model import JobInput
from tests.support.factories import a_job

METADATA = {"order": 7, "tags": ["a", None], "name": "ü"}
# Computed by 0.1.0 for the body below.
OF_THE_FIRST_RELEASE = "4264f72f8039c663c5094062bdeb2f02d19a1449ae2bdaaee88440462febabdc"


def fields(**changes: Any) -> dict[str, Any]:
    """The fields of a request."""
    return {**a_job(webhook_url="https://e.com/done").input.model_dump(), **changes}


class NextInput(JobInput):
    """The request of a release to come."""

    tempo: str = "normal"
    layers: tuple[str, ...] = ()
    shadow: str | None = None


def test_a_fingerprint_that_the_first_release_stored_still_fits() -> None:
    assert fingerprint(JobInput(**fields()), METADATA) == OF_THE_FIRST_RELEASE


def test_a_new_field_with_its_default_changes_no_fingerprint_and_another_value_does() -> None:
    assert fingerprint(NextInput(**fields()), METADATA) == OF_THE_FIRST_RELEASE
    for change in ({"tempo": "slow"}, {"layers": ("a",)}, {"shadow": "soft"}):
        assert fingerprint(NextInput(**fields(), **change), METADATA) != OF_THE_FIRST_RELEASE


@pytest.mark.parametrize("name", sorted(FIRST_FIELDS))
def test_every_field_counts(name: str) -> None:
    other = {"aspect_ratio": "1:1", "resolution": "480p"}.get(
        name, 77 if name.endswith("seconds") else "https://o.com/"
    )
    assert fingerprint(JobInput(**fields(**{name: other})), METADATA) != OF_THE_FIRST_RELEASE
    assert fingerprint(JobInput(**fields()), {}) != OF_THE_FIRST_RELEASE
