"""One word for each thing: a name that the glossary gives up is used nowhere else."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("functions", "gpu_worker", "infra", "bench")
# Former names that are no ordinary English in this project: they may not occur in any text.
GONE = re.compile(r"agenda|rubbish|citizen|patient_?keys|still_burning|\btake_in\b|\bTickWaker\b", re.IGNORECASE)
TEXTS = {".py", ".md", ".yaml", ".tf", ".toml"}
HISTORY = {"docs/glossary.md", "CHANGELOG.md", "tests/unit/test_words.py"}


def former_names() -> set[str]:
    """The names in the glossary's column "formerly"."""
    rows = [line.split("|") for line in (ROOT / "docs/glossary.md").read_text().splitlines() if line.startswith("| ")]
    names = {name.strip(" `()/") for row in rows for name in row[4].split(",")}
    return {name for name in names if name.isidentifier() and name != "formerly"}


def files(*places: str) -> list[Path]:
    """This project's own files: hidden folders, builds and virtual environments are not."""
    found = [path for place in places for path in (ROOT / place).rglob("*") if path.is_file()]
    return [path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]


def test_no_module_class_or_function_has_a_former_name() -> None:
    former = former_names()
    assert {"Desk", "Citizen", "Waking", "take_in", "looking"} <= former, "the column is read"
    sources = [path for path in files(*ROOMS) if path.suffix == ".py"]
    assert len(sources) > 200
    names = {(str(path.relative_to(ROOT)), path.stem) for path in sources}
    for path in sources:
        defined = (node for node in ast.walk(ast.parse(path.read_text())) if hasattr(node, "name"))
        names |= {(str(path.relative_to(ROOT)), str(node.name)) for node in defined}
    assert {(path, name) for path, name in names if name in former} == set()


def test_no_text_uses_a_former_word() -> None:
    texts = [path for path in files(*ROOMS, "docs", "tests") if path.suffix in TEXTS] + list(ROOT.glob("*.md"))
    assert len(texts) > 400
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in texts
        if str(path.relative_to(ROOT)) not in HISTORY
        for word in GONE.findall(path.read_text())
    ]
    assert found == []
