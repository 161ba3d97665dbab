"""House style of titles: one fact about this code, in its own names; lower-case start, no full stop, short."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 110


def title_faults(title: str, files: Mapping[str, str]) -> list[str]:
    """What is wrong with a title; names of the reviewed files may start it as they are written."""
    faults: list[str] = []
    if not title or title != title.strip():
        return ["is empty or padded"]
    if len(title) > LONGEST:
        faults.append(f"has {len(title)} characters, more than {LONGEST}")
    if title.endswith((".", "!", ":")) and not title.endswith("…"):
        faults.append("ends in punctuation")
    if "\n" in title:
        faults.append("has more than one line")
    if title[0].isupper() and not _is_name(title, files):
        faults.append("starts with a capital")
    return faults


def _is_name(title: str, files: Mapping[str, str]) -> bool:
    """`POST`, `Session.get()` and names that occur in the code keep their capital."""
    word = re.match(r"\w+", title)
    if word is None:
        return False
    first = word[0]
    if len(first) > 1 and first.isupper():
        return True
    return any(re.search(rf"\b{re.escape(first)}\b", text) for text in files.values())
