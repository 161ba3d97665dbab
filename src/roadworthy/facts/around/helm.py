"""Templates (Helm, Jinja) made readable as the format they produce: holes become a mark, control lines vanish.

Line numbers stay. Both branches of a condition remain, so a key may come twice: readers take the first.
"""

from __future__ import annotations

import re

from roadworthy.facts.around.found import MARK

_HOLE = re.compile(r"\{\{-?(.*?)-?\}\}|\{%.*?%\}|\{#[^\n]*?#\}", re.DOTALL)
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
    return _ONLY_MARKS.sub("", _HOLE.sub(_replacement, text))


def _replacement(match: re.Match[str]) -> str:
    newlines = "\n" * match[0].count("\n")
    body = match[1]
    if body is None or _CONTROL.match(body):
        return newlines
    text, end = match.string, match.end()
    if text[end : end + 1] in ("'", '"') and text[match.start() - 1 : match.start()] in ("[", ",", " "):
        return newlines  # words put in front of a list: `[{{ include "prefix" . }}"python", "app.py"]`
    default = _DEFAULT.search(body)
    if default:
        return (default[1] or default[2] or default[3] or "") + newlines
    return MARK + newlines
