"""The recorded session of the agent on the example service: `python tools/agent_session.py` writes docs/agent-session.md.

python tools/agent_session.py --check    change nothing; exit with 1 if the page is not up to date
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
os.environ["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME", tempfile.gettempdir())

from agent.session import MODEL, Session, recorded  # noqa: E402
from roadworthy.report import render  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.provider import Asked

PAGE = ROOT / "docs" / "agent-session.md"

_HEAD = f"""\
# A session of the agent on the example service

Recorded by `python tools/agent_session.py`; a test keeps it up to date. The provider is a local server (`{MODEL}`) whose answers are written down in
`tests/agent/session.py`, so that anybody can run it without a key. Everything else is what a real run does: the questions, the wire format, the
tools, the check of every quote, the journal, the report. No model was asked: the session shows the machinery, not how well any model judges.

    roadworthy review examples/orders --agent --model {MODEL}
"""


def page(session: Session) -> str:
    """The whole page."""
    return (
        "\n".join([_HEAD, "## The conversations", "", *_conversations(session), "## The report", "", *_report(session)])
        + "\n"
    )


def _conversations(session: Session) -> Iterator[str]:
    """One item for each request that came in: whose conversation it is, and what was answered."""
    number = 0
    for asked in session.provider.log:
        if not asked.results:
            number += 1
            yield f"**{number}. {_about(asked)}**"
            yield ""
        answer = session.provider.mind(asked)
        for name, given in answer.calls:
            yield f"- {_call(name, given)}"
        if asked.results:
            yield ""


def _about(asked: Asked) -> str:
    lines = asked.task.splitlines()
    if asked.kind == "triage":
        finding = next(line for line in lines if line.startswith(("HIGH ", "MEDIUM ", "LOW ")))
        severity, _, place, *title = finding.split(" ")
        return f"Judge {severity} {place} {' '.join(title)}"
    if asked.kind == "explore":
        return "Explore " + ", ".join(line[2:] for line in lines if line.startswith("- ") and line.endswith(".py"))
    return "Refute " + next(line for line in lines if line.startswith(("HIGH ", "MEDIUM ", "LOW ")))


def _call(name: str, given: dict[str, object]) -> str:
    if name != "report":
        return f"`{name}({', '.join(f'{key}={json.dumps(value)}' for key, value in given.items())})`"
    if "findings" in given:
        return f"reports {len(given['findings'])} new: " + ("; ".join(f["title"] for f in given["findings"]) or "none")
    proof = ", ".join(f"`{c['path']}:{c['line']}`" for c in given["evidence"])
    severity = f" to {given['severity']}" if given.get("severity") else ""
    return f"answers **{given['verdict']}**{severity}: {given['reason']} ({proof})"


def _report(session: Session) -> Iterator[str]:
    """The new and changed findings in full, the notes; the others are those of the static review."""
    shown = replace(session.review, findings=tuple(f for f in session.review.findings if f.origin == "agent"))
    yield f"Of {len(session.review.findings)} findings, here are the {len(shown.findings)} that only the agent made; the others are those of `roadworthy review`."
    yield ""
    yield "````markdown"
    yield render(shown, "markdown").rstrip("\n")
    yield "````"


def main() -> None:
    """Do what the options say."""
    with tempfile.TemporaryDirectory() as folder, recorded(Path(folder), os.environ.__setitem__) as session:
        text = page(session)
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is not up to date: run `python tools/agent_session.py`")


if __name__ == "__main__":
    main()
