"""Every word of the closed vocabulary earns its place: a library file or a stage speaks it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import EFFECTS, ENTRIES, GUARDS, Delivery, Effect, EntryKind, GuardKind
from rulebook import LIBRARIES, ROOT
from support.engine import needs_engine

if TYPE_CHECKING:
    from enum import Enum

SOURCES = ROOT / "src" / "roadworthy"
VOCABULARY = SOURCES / "knowledge" / "vocabulary.py"

UNUSED: dict[str, str] = {}
"""Word -> why it stands in the vocabulary although nothing speaks it yet. An entry that is not needed is an error."""

WORDS = [word for words in (Effect, GuardKind, EntryKind, Delivery) for word in words]


@cache
def _libraries() -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(LIBRARIES.glob("*.toml")))


@cache
def _code() -> str:
    files = [file for file in sorted(SOURCES.rglob("*.py")) if file != VOCABULARY]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def is_used(word: Enum) -> bool:
    """A library file has it in quotes, code names the member, or it is the delivery of an entry kind."""
    if any(entry.delivery is word for entry in ENTRIES.values()):
        return True
    member = rf"\b{type(word).__name__}\.{word.name}\b"
    return f'"{word.value}"' in _libraries() or re.search(member, _code()) is not None


@needs_engine
def test_every_word_is_used() -> None:
    """A word that nobody speaks is taken out, or its absence has a reason."""
    unused = {f"{type(word).__name__}.{word.name}" for word in WORDS if not is_used(word)}
    assert sorted(unused) == sorted(UNUSED)


def test_every_word_has_its_sentence() -> None:
    """The tables are complete."""
    assert set(EFFECTS) == set(Effect)
    assert set(GUARDS) == set(GuardKind)
    assert set(ENTRIES) == set(EntryKind)
