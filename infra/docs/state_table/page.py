"""The state table as Markdown. Pure."""

from infra.docs.state_table.exploring import Found, State, Table, explore

HEAD = """\
# States and events
Made by `python -m infra.docs.state_table`, which walks with `transition` from a new job to every state that any order
of events can reach; do not edit. A test makes it again and compares.

A state is the job's status, its phase (`working` stands for every phase that a worker reports) and what is known of the
newest attempt's dispatch; of a finished job its status and its callback. Where one event has several outcomes, what
decides is the time (a lease or a silence that is over, a deadline that passed), the attempt that the event speaks of, a
claim, or a requested cancellation; the rules are in `functions/avatar_jobs/domain/job/`. "stays" names the parts of
the job that change.
"""
ORDER = ("queued", "running", "succeeded", "failed", "cancelled")
FINISHED = ("succeeded", "failed", "cancelled")
PARTS_NOT_NAMED = ("timeline",)  # nearly every change writes a line


def state_table() -> str:
    """The whole page; states with the same answers to every event share a section."""
    table = explore()
    states = sorted(table, key=_rank)
    sections: dict[str, list[State]] = {}
    for state in states:
        sections.setdefault(_answers(state, table), []).append(state)
    parts = (f"## {' | '.join(_name(one) for one in alike)}\n{body}" for body, alike in sections.items())
    return "\n".join([HEAD, _overview(table, states), *parts])


def _rank(state: State) -> tuple[int, State]:
    return ORDER.index(state[0]), state


def _name(state: State) -> str:
    return ", ".join(state)


def _change_of(state: State, before: State) -> str:
    """A state as the outcome of an event: of the end the status alone, of a finished job the callback alone."""
    if state[0] not in FINISHED:
        return _name(state)
    return state[1] if before[0] in FINISHED else state[0]


def _overview(table: Table, states: list[State]) -> str:
    lines = ["| state | events lead to |", "|---|---|"]
    for state in states:
        reached = set().union(*(found.leads_to for found in table[state].values()))
        lines.append(f"| {_name(state)} | {'; '.join(_names(reached, state)) or 'nowhere else'} |")
    return "\n".join(lines) + "\n"


def _names(reached: set[State], before: State) -> list[str]:
    return list(dict.fromkeys(_change_of(state, before) for state in sorted(reached, key=_rank)))


def _answers(state: State, table: Table) -> str:
    lines = ["| event | becomes |", "|---|---|"]
    nothing = []
    for event, found in table[state].items():
        if found.leads_to or found.changes:
            lines.append(f"| `{event.__name__}` | {_outcomes(found, state)} |")
        else:
            nothing.append(f"`{event.__name__}`")
    return "\n".join([*lines, "", f"These change nothing: {', '.join(nothing) or 'none'}.", ""])


def _outcomes(found: Found, before: State) -> str:
    outcomes = _names(found.leads_to, before)
    changes = sorted(name.replace("_", " ") for name in found.changes if name not in PARTS_NOT_NAMED)
    if found.changes:
        outcomes.append(f"stays ({', '.join(changes) or 'timeline'})")
    if found.sometimes_nothing:
        outcomes.append("nothing changes")
    return "; ".join(outcomes)
