"""What clients read in an error is written in one module, and every sentence there is used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "functions" / "avatar_jobs"
TEXTS = PACKAGE / "domain" / "texts.py"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != TEXTS)
# The errors whose text a client reads, and the helpers that make them.
READ_BY_CLIENTS = {
    "ApiError",
    "BadSignatureError",
    "FieldError",
    "JobError",
    "MalformedResult",
    "OutputAbsent",
    "PydanticCustomError",
    "UrlNotAllowedError",
    "fault",
    "service_failure",
}


def literals(node: ast.AST) -> Iterator[str]:
    """Yields the texts with a space, f-strings included; names, codes and templates like "{reason}" have none."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and " " in part.value:
            yield part.value


def called(call: ast.Call) -> str:
    """Returns the last part of the called name."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_an_error_that_a_client_reads_takes_its_words_from_the_texts(path: Path) -> None:
    tree = ast.parse(path.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and called(node) in READ_BY_CLIENTS]

    assert [text for call in calls for text in literals(call)] == []


def test_every_text_is_used() -> None:
    others = "\n".join(path.read_text() for path in MODULES)
    names = [
        node.name if isinstance(node, ast.FunctionDef) else node.targets[0].id
        for node in ast.parse(TEXTS.read_text()).body
        if isinstance(node, ast.FunctionDef) or (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name))
    ]

    public = [name for name in names if not name.startswith("_")]
    assert len(public) > 40
    assert [name for name in public if not re.search(rf"\btexts\.{name}\b", others)] == []
