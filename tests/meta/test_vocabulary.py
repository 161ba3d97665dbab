"""Every word of the closed vocabulary earns its place: a library file or a stage speaks it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

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
    """A library file has it in quotes, or code names the member."""
    member = rf"\b{type(word).__name__}\.{word.name}\b"
    return f'"{word.value}"' in _libraries() or re.search(member, _code()) is not None


@needs_engine
@pytest.mark.parametrize("word", WORDS, ids=lambda word: f"{type(word).__name__}.{word.name}")
def test_the_word_is_used(word: Enum) -> None:
    """A word that nobody speaks is taken out, or its absence has a reason."""
    name = f"{type(word).__name__}.{word.name}"
    assert is_used(word) is not (name in UNUSED), UNUSED.get(name, "no library file and no code uses it")


def test_every_word_has_its_sentence() -> None:
    """The tables are complete."""
    assert set(EFFECTS) == set(Effect)
    assert set(GUARDS) == set(GuardKind)
    assert set(ENTRIES) == set(EntryKind)
