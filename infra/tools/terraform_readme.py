"""Writes the tables of variables and outputs into infra/terraform/README.md: `make terraform-readme`."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "terraform"
README = FOLDER / "README.md"
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
# The form that `terraform fmt` gives to top-level blocks; a test checks that the files are formatted.
BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)


def attribute(block: str, name: str) -> str | None:
    """Returns the text of one attribute of a block on one line, None when the block does not have it."""
    found = re.search(rf"^  {name} += (.*?)(?=^  \w+ +=|^  \w+ \{{|^  #|\Z)", block, re.MULTILINE | re.DOTALL)
    return re.sub(r"\s+", " ", found[1]).strip() if found else None


def tables(folder: Path) -> str:
    """Returns both tables as Markdown, sorted by name."""
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
    """Returns the page with the text between the two marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{generated}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text(), tables(FOLDER)))
