"""Checks of fix texts that hold for all of them."""

import ast
import re
import textwrap

GAP = "…"
MOST_LINES = 21
LONGEST_LINE = 100
_FENCE = re.compile(r"```(\w*)\n(.*?)\n```", re.DOTALL)


def snippets(text: str) -> list[tuple[str, str]]:
    """(language, code) of each fenced block."""
    return _FENCE.findall(text)


def prose(text: str) -> str:
    """The text without its code."""
    return _FENCE.sub("", text).strip()


def faults(text: str) -> list[str]:
    """What is wrong with the form of a fix."""
    found = []
    words = prose(text)
    if not words:
        found.append("no sentence")
    if words and not words.endswith((".", ":", "`")):
        found.append(f"prose ends in {words[-12:]!r}")
    if "  " in words or ".." in words.replace("...", ""):
        found.append("doubled blanks or full stops")
    if text.count("```") % 2:
        found.append("an open fence")
    if len(words) > (420 if len(snippets(text)) < 2 else 560):
        found.append(f"{len(words)} characters of prose")
    for language, code in snippets(text):
        lines = code.split("\n")
        if len(lines) > MOST_LINES:
            found.append(f"{len(lines)} lines of code")
        found.extend(f"a long line: {line}" for line in lines if len(line) > LONGEST_LINE)
        if re.search(r"\$[a-z{]", code.replace('"$natural"', "")):
            found.append("an open hole")
        if not code.replace(GAP, "").strip("(). \n"):
            found.append("says nothing")
        if language == "python":
            found.extend(_syntax(code))
    return found


def _syntax(code: str) -> list[str]:
    """Does it parse, gaps and the missing outside filled in?"""
    body = code.replace(f"={GAP}", "=gap").replace(GAP, "gap")
    if body.startswith("except"):
        body = f"try:\n    pass\n{body}"
    body = f"async def outside():\n{textwrap.indent(body, '    ')}"
    try:
        ast.parse(body)
    except SyntaxError as error:
        return [f"does not parse: {error.msg}: {code}"]
    return []
