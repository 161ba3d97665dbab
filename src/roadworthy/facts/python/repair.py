"""A half-written statement with an open bracket swallows the functions below it. Blank it, so that they can be read."""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(
    r'''
      (?P<skip> """(?:\\.|[^\\])*?""" | \'\'\'(?:\\.|[^\\])*?\'\'\'
              | "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'?
              | \#[^\n]* )
    | (?P<open> [(\[{] )
    | (?P<close> [)\]}] )
    | (?P<definition> ^[ \t]*(?:async[ \t]+def|def|class)[ \t]+\w+[ \t]*[(:\[] )
    ''',
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
MAX_REPAIRS: Final = 20


def blanked(text: str) -> str:
    """The text with every line blanked on which a bracket opens that is still open at the next definition.

    No definition can stand inside brackets, so such a bracket was never closed. All positions stay as they are.
    """
    for _ in range(MAX_REPAIRS):
        at = _unclosed(text)
        if at < 0:
            return text
        start = text.rfind("\n", 0, at) + 1
        end = text.find("\n", at)
        line = text[start:end]
        indent = len(line) - len(line.lstrip())
        instead = (line[:indent] + "pass").ljust(len(line))
        text = text[:start] + (instead if len(instead) == len(line) else " " * len(line)) + text[end:]
    return text


def _unclosed(text: str) -> int:
    """Where the outermost bracket opens that is open at a definition, or -1."""
    opened: list[int] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "open":
            opened.append(match.start())
        elif kind == "close":
            if opened:
                opened.pop()
        elif kind == "definition":
            if opened:
                return opened[0]
            # Its own bracket is part of the match.
            if match.group()[-1] != ":":
                opened.append(match.end() - 1)
    return -1
