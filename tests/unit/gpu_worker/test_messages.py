"""The texts that an app reads: they are in one module, are whole sentences, and fit into a report."""

import ast
from pathlib import Path

import gpu_worker
from gpu_worker.domain import messages
from gpu_worker.domain.failures import MAX_MESSAGE

FOLDER = Path(gpu_worker.__file__).parent


def test_no_other_module_contains_a_failures_text() -> None:
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "JobError":
                is_worded_here = isinstance(node.args[1], ast.Constant | ast.JoinedStr)
                assert not is_worded_here, f"{path.relative_to(FOLDER)}:{node.lineno}"


def test_the_longest_advice_for_a_link_is_not_cut() -> None:
    advice = [text for name, text in vars(messages).items() if name.startswith(("LINK_", "FILE_", "BUCKET_", "CHECK_"))]
    assert len(advice) > 8
    for text in advice:
        assert text.endswith(".")
        assert len(messages.link_refused(messages.VIDEO, 403, text)) < MAX_MESSAGE
