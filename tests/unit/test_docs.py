"""The docs agree with the code: closed lists, settings and state tables are compared with it."""

import re
from pathlib import Path
from typing import Any

import yaml

from avatar_jobs.domain.errors import ApiErrorCode, JobErrorCode
from avatar_jobs.domain.job import events
from avatar_jobs.domain.job.events import AttemptEvent, Event
from avatar_jobs.domain.job.model import CallbackState, JobStatus, Phase
from avatar_jobs.domain.retry_policy import CALLBACK_SCHEDULE_SEC as SCHEDULE
from avatar_jobs.domain.scaling.configuration import DEFAULTS as SCALING_DEFAULTS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def schemas() -> dict[str, Any]:
    """The schemas of the OpenAPI document."""
    return yaml.safe_load((DOCS / "api" / "openapi.yaml").read_text())["components"]["schemas"]


def test_the_openapi_documents_lists_are_the_codes_lists() -> None:
    found = schemas()
    assert set(found["ApiErrorCode"]["enum"]) == set(ApiErrorCode)
    assert set(found["JobErrorCode"]["enum"]) == set(JobErrorCode)
    assert set(found["Status"]["enum"]) == set(JobStatus)
    assert set(found["Phase"]["enum"]) == {*Phase, None}
    assert set(found["Webhook"]["properties"]["state"]["enum"]) == set(CallbackState)


def test_the_callback_body_is_the_job_and_two_fields() -> None:
    found = schemas()
    extra = set(found["CallbackBody"]["properties"]) - set(found["Job"]["properties"])
    assert extra == {"type", "timestamp"}
    assert set(found["CallbackBody"]["required"]) == set(found["CallbackBody"]["properties"])
    assert set(found["Job"]["required"]) == set(found["Job"]["properties"])


def test_every_error_code_is_in_the_architecture_page() -> None:
    page = (DOCS / "architecture.md").read_text()
    missing = [code for code in (*ApiErrorCode, *JobErrorCode) if f"`{code}`" not in page]
    assert missing == []


def test_the_architecture_page_shows_the_callback_schedule() -> None:
    waits = [f"{sec // 3600} h" if sec >= 3600 else f"{sec // 60} min" if sec >= 60 else f"{sec} s" for sec in SCHEDULE]
    assert f"{', '.join(waits)} apart" in (DOCS / "architecture.md").read_text()


def test_every_event_is_in_the_architecture_page() -> None:
    page = (DOCS / "architecture.md").read_text()
    names = {
        name
        for name, value in vars(events).items()
        if isinstance(value, type) and issubclass(value, Event) and value not in (Event, AttemptEvent)
    }
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_the_environment_page_lists_exactly_the_variables_that_are_read() -> None:
    code = (ROOT / "functions" / "avatar_jobs" / "settings.py").read_text()
    read = {*SCALING_DEFAULTS, *re.findall(r'self\.(?:text|choice|number|origin|secrets)\(\s*"([A-Z0-9_]+)"', code)}
    rows = re.findall(r"^\| ([^|]+)\|", (DOCS / "environment.md").read_text(), re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}
    assert read
    assert listed == read


def test_links_between_documents_lead_somewhere() -> None:
    for page in [
        *ROOT.glob("*.md"),
        *DOCS.rglob("*.md"),
        *ROOT.glob("infra/**/README.md"),
        ROOT / "tests" / "README.md",
    ]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


def test_every_path_that_a_document_names_exists() -> None:
    roots = ("functions", "gpu_worker", "infra", "bench", "tests", "docs", ".ci")
    found = [path for root in roots for path in (ROOT / root).rglob("*") if "__pycache__" not in path.parts]
    files = [f"/{path.relative_to(ROOT)}{'/' if path.is_dir() else ''}" for path in (*found, *ROOT.glob("*"))]
    missing = []
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md"), *ROOT.glob("infra/**/README.md")]:
        for written in re.findall(
            r"`([\w./-]+(?:/|\.(?:py|md|tf|hcl|ya?ml|toml|json|proto)))(?:::\w+)?`", page.read_text()
        ):
            named = written.removeprefix("../")
            below_a_root = named.split("/")[0] in roots
            if (below_a_root or not named.endswith("/")) and not any(one.endswith(f"/{named}") for one in files):
                missing.append(f"{page.relative_to(ROOT)}: {named}")
    assert missing == []


def test_every_file_opens_with_one_sentence_on_its_purpose() -> None:
    silent = []
    for folder in ("functions", "gpu_worker", "infra", "bench", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if text.strip() and not text.startswith('"""'):
                silent.append(str(path.relative_to(ROOT)))
    assert silent == []


def test_every_promise_names_tests_that_exist() -> None:
    named = re.findall(r"`(\S+\.py)::(\w+)`", (DOCS / "promises.md").read_text())
    missing = [name for path, name in named if f"def {name}(" not in (ROOT / "tests" / path).read_text()]
    assert len(named) > 50
    assert missing == []
