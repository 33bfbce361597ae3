"""What clients read in an error is written in one module, and every sentence there is used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from avatar_jobs.domain import texts
from avatar_jobs.domain.errors import ApiError, ApiErrorCode
from avatar_jobs.protocol import problem
from tests.support.openapi import OpenApiValidator

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
    """Yields the literals of more than one word, also those in f-strings; names, codes and templates are one word."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and re.search(r"\w \w|\w $", part.value):
            yield part.value


def words_of_errors(tree: ast.Module) -> Iterator[str]:
    """Yields the literals that stand in a call of READ_BY_CLIENTS, or that a variable `message` or `detail` gets."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in READ_BY_CLIENTS:
                yield from literals(node)
        elif isinstance(node, ast.Assign) and {getattr(one, "id", "") for one in node.targets} & {"message", "detail"}:
            yield from literals(node.value)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_sentence_of_a_client_error_is_in_the_module_texts(path: Path) -> None:
    assert list(words_of_errors(ast.parse(path.read_text()))) == []


def test_every_text_is_used() -> None:
    others = "\n".join(path.read_text() for path in MODULES)
    body = ast.parse(TEXTS.read_text()).body
    names = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    targets = [node.targets[0] for node in body if isinstance(node, ast.Assign)]
    names += [target.id for target in targets if isinstance(target, ast.Name)]

    public = [name for name in names if not name.startswith("_")]
    assert len(public) > 40
    assert [name for name in public if not re.search(rf"\btexts\.{name}\b", others)] == []


def test_the_openapi_documents_examples_are_answers_of_the_api() -> None:
    errors = {
        "Unparsable": ApiError(ApiErrorCode.INVALID_JSON, texts.json_refused(texts.JSON_NAME_TWICE)),
        "Unauthenticated": ApiError(ApiErrorCode.UNAUTHENTICATED, texts.api_key_missing("X-Internal-API-Key")),
        "JobNotFound": ApiError(ApiErrorCode.JOB_NOT_FOUND, texts.JOB_NOT_FOUND),
        "NotFound": ApiError(ApiErrorCode.NOT_FOUND, texts.PATH_NOT_FOUND),
        "MethodNotAllowed": ApiError(
            ApiErrorCode.METHOD_NOT_ALLOWED, texts.method_not_allowed(["GET", "HEAD", "POST"])
        ),
        "AlreadyFinished": ApiError(ApiErrorCode.JOB_ALREADY_FINISHED, texts.job_already_finished("succeeded")),
        "QueueFull": ApiError(ApiErrorCode.QUEUE_FULL, texts.client_queue_full(2000)),
        "TooLarge": ApiError(ApiErrorCode.PAYLOAD_TOO_LARGE, texts.body_too_large(65_536)),
        "UnsupportedMediaType": ApiError(ApiErrorCode.UNSUPPORTED_MEDIA_TYPE, texts.BODY_NOT_JSON_TYPE),
        "NotAcceptable": problem.fault("page_token", "invalid_page_token", texts.PAGE_TOKEN_INVALID),
        "Internal": problem.service_failure(ApiErrorCode.INTERNAL, texts.INTERNAL),
        "Unavailable": problem.service_failure(ApiErrorCode.STORAGE_UNAVAILABLE, texts.STORE_UNAVAILABLE),
    }
    validator = OpenApiValidator()
    examples = {
        name: response["content"][problem.CONTENT_TYPE]["example"]
        for name, response in validator.document["components"]["responses"].items()
    }

    assert examples == {
        name: problem.render(error, examples[name]["request_id"]).document for name, error in errors.items()
    }
    for name, example in examples.items():
        validator.check_schema({"$ref": "#/components/schemas/Problem"}, example, name)
