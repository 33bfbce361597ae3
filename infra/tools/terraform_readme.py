"""Writes the tables of variables and outputs of infra/terraform: `make terraform-readme`."""

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "terraform"
README = FOLDER / "README.md"
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
# `terraform fmt` writes every block of the top level so; a test holds that the files are formatted
BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)


def attribute(block: str, name: str) -> str | None:
    """The text of one attribute of a block, brought to one line; None when it is not there."""
    found = re.search(rf"^  {name} += (.*?)(?=^  \w+ +=|^  \w+ \{{|^  #|\Z)", block, re.MULTILINE | re.DOTALL)
    return re.sub(r"\s+", " ", found[1]).strip() if found else None


def tables(folder: Path) -> str:
    """Both tables as Markdown, by name."""
    blocks = [one for path in sorted(folder.glob("*.tf")) for one in BLOCK.findall(path.read_text())]
    variables = sorted((name, block) for kind, name, block in blocks if kind == "variable")
    outputs = sorted((name, block) for kind, name, block in blocks if kind == "output")
    lines = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for name, block in variables:
        default = attribute(block, "default")
        kind = re.match(r"\w+(\(\w+\))?", attribute(block, "type") or "")
        shown = "required" if default is None else f"`{default}`"
        lines.append(f"| `{name}` | {kind[0] if kind else ''} | {shown} | {_description(block)} |")
    lines += ["", "| output | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {_description(block)} |" for name, block in outputs]
    return "\n".join(lines)


def _description(block: str) -> str:
    return (attribute(block, "description") or "").strip('"').replace('\\"', '"').replace("|", "\\|")


def with_tables(page: str, generated: str) -> str:
    """The page with what stands between the two marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{generated}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(), tables(FOLDER)))
    sys.exit(0)
