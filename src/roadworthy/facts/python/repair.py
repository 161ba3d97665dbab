"""A half-written statement may swallow the functions below it. Blank it, so that they can be read."""

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
_HEADER: Final = re.compile(
    r"""
    ^[ \t]*(?:async[ \t]+)?(?:if|elif|else|for|while|with|try|except|finally)\b[^\n:\#]*\n
    (?= (?:[ \t]*\n)* [ \t]*(?:@|async[ \t]+def[ \t]|def[ \t]|class[ \t]) )
    """,
    re.VERBOSE | re.MULTILINE,
)
"""The head of a block that lacks its colon, with a definition below."""
MAX_REPAIRS: Final = 20


def blanked(text: str) -> str:
    """The text with every line blanked on which a bracket opens that is still open at the next definition: none can stand
    inside brackets, so it was never closed. Heads of blocks without a colon go as well. All positions stay as they are.
    """
    text = _HEADER.sub(lambda match: _pass_instead(match.group()[:-1]) + "\n", text)
    for _ in range(MAX_REPAIRS):
        at = _unclosed(text)
        if at < 0:
            return text
        start = text.rfind("\n", 0, at) + 1
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        text = text[:start] + _pass_instead(text[start:end]) + text[end:]
    return text


def _pass_instead(line: str) -> str:
    indent = len(line) - len(line.lstrip())
    instead = (line[:indent] + "pass").ljust(len(line))
    return instead if len(instead) == len(line) else " " * len(line)


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
