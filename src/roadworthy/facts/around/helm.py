"""Templates (Helm, Jinja) made readable as the format they produce: holes become a mark, control lines vanish.

Line numbers stay. Both branches of a condition remain, so a key may come twice: readers take the first.
"""

from __future__ import annotations

import re

from roadworthy.facts.around.found import MARK

_START = re.compile(r"\{\{|\{%|\{#(?=[^\n]*?#\})")
_ENDS = {"{{": "}}", "{%": "%}", "{#": "#}"}
_DEFAULT = re.compile(r"""\|\s*default\s*\(?\s*(?:"([^"{}]*)"|'([^'{}]*)'|(true|false|\d+[a-z]*)\b)""")
_CONTROL = re.compile(r"\s*(?:/\*|(?:if|else|end|range|with|define|break|continue)\b|\$\w+\s*:?=)")
_ONLY_MARKS = re.compile(rf"^[ \t]*(?:{MARK}[ \t]*)+$", re.MULTILINE)


def is_template(text: str) -> bool:
    """Tell whether it has holes."""
    return "{{" in text or "{%" in text


def fill(text: str) -> str:
    """The text with holes replaced; a hole with a literal default becomes that default."""
    if not is_template(text):
        return text
    out: list[str] = []
    at = 0
    ends = dict(_ENDS)
    for start in _START.finditer(text):
        opening = start[0]
        if start.start() < at or opening not in ends:
            continue
        end = text.find(ends[opening], start.end())
        if end < 0:
            del ends[opening]  # no later one is closed either
            continue
        out.append(text[at : start.start()])
        at = end + 2
        inside = text[start.end() : end]
        out.append(_replacement(inside if opening == "{{" else None, inside.count("\n"), text, start.start(), at))
    out.append(text[at:])
    return _ONLY_MARKS.sub("", "".join(out))


def _replacement(inside: str | None, newlines: int, text: str, start: int, end: int) -> str:
    """What stands for one hole; `inside` is None for what only controls the template."""
    lines = "\n" * newlines
    body = (inside or "").strip("-")
    if inside is None or _CONTROL.match(body):
        return lines
    if text[end : end + 1] in ("'", '"') and text[start - 1 : start] in ("[", ",", " "):
        return lines  # words put in front of a list: `[{{ include "prefix" . }}"python", "app.py"]`
    default = _DEFAULT.search(body)
    if default:
        return (default[1] or default[2] or default[3] or "") + lines
    return MARK + lines
