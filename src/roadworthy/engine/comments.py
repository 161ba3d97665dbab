"""What suppression needs to know of the files that findings lie in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.findings.suppress import Commented, Header
from roadworthy.text.source import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from roadworthy.facts.schema import FileFacts, Scope

_NAME = "roadworthy"
_COMMENT = re.compile(r"(?:^|\s)(?:#|--)\s*(roadworthy\b.*)", re.IGNORECASE)


def commented_files(
    files: Sequence[FileFacts], others: Iterable[str], read: Callable[[str], bytes]
) -> dict[str, Commented]:
    """Collect the comments that speak of us: from facts for Python, from the text for `others`, the rest of the tree."""
    python = [_commented(file) for file in files if any(_NAME in comment.text.lower() for comment in file.comments)]
    around = [_commented_text(path, read) for path in sorted(set(others))]
    return {one.path: one for one in (*python, *around)}


def _commented(file: FileFacts) -> Commented:
    """Tell the suppressions of a file where its functions and its code are."""
    headers = tuple(
        Header(min((scope.line, *scope.decorator_lines)), scope.line, scope.end_line)
        for scope in file.scopes
        if scope.kind in ("function", "class")
    )
    code = frozenset(line for scope in file.scopes for line in _code_lines(scope))
    return Commented(file.path, tuple((comment.line, comment.text) for comment in file.comments), headers, code)


def _code_lines(scope: Scope) -> Iterator[int]:
    """Yield lines on which something stands, as far as facts tell."""
    if scope.kind != "module":
        yield from (scope.line, *scope.decorator_lines)
    yield from (region.line for region in scope.regions[1:])
    for call in scope.calls:
        yield from (call.line, call.end_line)
    for assign in scope.assigns:
        yield from (assign.line, assign.end_line)
    yield from (leave.line for leave in scope.leaves)
    yield from (test.line for test in scope.tests)
    yield from (one.line for one in scope.imports)


def _commented_text(path: str, read: Callable[[str], bytes]) -> Commented:
    """Find comments in a Dockerfile, a shell script, YAML, SQL: what follows `#` or `--`."""
    try:
        lines = read(path).decode("utf-8", "replace").splitlines()
    except (UnreadableError, KeyError):
        lines = []
    found = [(number, match[1]) for number, line in enumerate(lines, start=1) if (match := _COMMENT.search(line))]
    code = frozenset(number for number, line in enumerate(lines, start=1) if not re.match(r"\s*(?:#|--|$)", line))
    return Commented(path, tuple(found), (), code)
