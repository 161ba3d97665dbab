"""Long lines of snippets broken as a formatter would, so that they can be pasted as they are."""

from __future__ import annotations

import re
from typing import NamedTuple

WIDTH = 100
_OPEN, _CLOSE = "([{", ")]}"
_FENCE = re.compile(r"```python\n(.*?)\n```", re.DOTALL)
_PARAMETERS = re.compile(r"(^|=)\s*lambda [^:]*$")  # the commas of its parameters look the same
_CLAUSE = re.compile(r" (async for|for|if)(?= )")
_STEP = "    "
_SHORT = 6


class _Group(NamedTuple):
    start: int
    end: int


def laid_out(text: str) -> str:
    """A fix whose Python snippets have no line longer than `WIDTH`, where brackets allow it."""
    return _FENCE.sub(lambda found: f"```python\n{broken(found.group(1))}\n```", text)


def broken(code: str) -> str:
    """The code with its long lines broken inside of brackets."""
    return "\n".join(part for line in code.split("\n") for part in _lines(line))


def _lines(line: str) -> list[str]:
    if len(line) <= WIDTH:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    code, comment = _comment_of(line)
    if comment and code.strip():
        return [f"{indent}{comment}", *_lines(code)]
    group = None if comment else _last_group(code)
    if group is None:
        return [line]
    items = _items(code[group.start + 1 : group.end])
    inner = f"{indent}{_STEP}"
    whole = f"{inner}{', '.join(items)}"
    comma = _takes_comma(code, group, items)
    ends = code[group.start + 1 : group.end].rstrip().endswith(",")
    clauses = _clauses(whole.strip()) if len(items) == 1 else []
    if ends and len(items) == 1:
        body = _lines(f"{whole},")
    elif len(whole) > WIDTH and len(clauses) > 1:
        body = [part for clause in clauses for part in _lines(f"{inner}{clause}")]
    elif len(whole) <= WIDTH or not (comma or len(items) > 1):
        body = _lines(whole)
    else:
        body = [part for item in items for part in _lines(f"{inner}{item},")]
    return [code[: group.start + 1], *body, f"{indent}{code[group.end :]}"]


def _takes_comma(code: str, group: _Group, items: list[str]) -> bool:
    """May a comma follow the last item? Not where it would make a tuple, nor behind a generator."""
    if code[group.start] == "[" and _is_operand(code, group):
        return False
    generator = len(items) == 1 and " for " in items[0]
    return not generator and (len(items) > 1 or (code[group.start] == "(" and _is_operand(code, group)))


def _is_operand(code: str, group: _Group) -> bool:
    """Does the bracket belong to what stands before it: a call, a subscript?"""
    before = code[: group.start]
    return bool(before) and (before[-1].isalnum() or before[-1] in "_)]")


def _last_group(code: str) -> _Group | None:
    """The last outermost bracket that holds something; the one before it where that is a short index: `create(…)[0]`."""
    found = None
    stack: list[int] = []
    for index, char in _outside_strings(code):
        if char in _OPEN:
            stack.append(index)
        elif char in _CLOSE and stack:
            start = stack.pop()
            if not stack and index > start + 1:
                short = code[start] == "[" and index - start < _SHORT and _is_operand(code, _Group(start, index))
                found = found if short and found is not None else _Group(start, index)
    return None if stack else found


def _items(body: str) -> list[str]:
    """Split at the commas that stand in no bracket of their own; a comprehension is one item."""
    if len(_clauses(body)) > 1:
        return [body.strip()]
    items, depth, start = [], 0, 0
    for index, char in _outside_strings(body):
        if char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth -= 1
        elif char == "," and depth == 0 and not _PARAMETERS.search(body[start:index]):
            items.append(body[start:index].strip())
            start = index + 1
    items.append(body[start:].strip())
    return [item for item in items if item]


def _clauses(body: str) -> list[str]:
    """A comprehension's element, its `for … in …` and its conditions; the whole where it is none."""
    outer = {index for index, depth in _depths(body) if depth == 0}
    starts = [0]
    for found in _CLAUSE.finditer(body):
        if found.start() in outer and (len(starts) > 1 or not found.group().startswith(" if")):
            starts.append(found.start())
    ends = [*starts[1:], len(body)]
    return [body[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _depths(body: str) -> list[tuple[int, int]]:
    """The places outside of strings, each with the number of brackets that are open there."""
    found, depth = [], 0
    for index, char in _outside_strings(body):
        depth -= char in _CLOSE
        found.append((index, depth))
        depth += char in _OPEN
    return found


def _comment_of(line: str) -> tuple[str, str]:
    at = next((index for index, char in _outside_strings(line) if char == "#"), -1)
    return (line, "") if at < 0 else (line[:at].rstrip(), line[at:])


def _outside_strings(text: str) -> list[tuple[int, str]]:
    """Characters with their places, those of string literals left out."""
    found, quote, skip = [], "", False
    for index, char in enumerate(text):
        if skip:
            skip = False
        elif quote:
            skip = char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            found.append((index, char))
    return found
