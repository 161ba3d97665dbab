"""One test file for all library files: each is well formed, says only what the vocabulary knows, and shows what it says."""

from __future__ import annotations

import datetime
from collections import Counter

import pytest

from knowledge.examples import mentioned, parse_example
from roadworthy.knowledge.load import LIBRARIES, load_knowledge, read_libraries
from roadworthy.knowledge.names import expand, singles
from roadworthy.knowledge.toml_file import read_library
from roadworthy.knowledge.validate import ROLES, identity_of, named_rows, validate
from roadworthy.knowledge.vocabulary import Effect, GuardKind

FILES = sorted(LIBRARIES.glob("*.toml"))

EXTERNAL = {effect.value for effect in Effect if effect.word.external}

UNUSED_EFFECTS: dict[str, str] = {"outside": "what libraries do that no file describes, as names tell"}
"""Effects that no library file names, with the reason."""

UNUSED_GUARDS: dict[str, str] = {
    "catch": "try statements, besides contextlib.suppress, are syntax",
    "dedup": "found in the shape of the project's own code",
    "idempotency-key": "said by `key` of a call row",
}
"""Guards that need not be named by a library file."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_valid(path):
    library, text = read_library(path, path.name)
    validate(library, text, path.name)
    assert library.checked <= datetime.date.today()
    assert library.role, "every library is something to a service"
    assert set(library.role) <= ROLES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_shows_its_own_row(path):
    library, _ = read_library(path, path.name)
    wrong = []
    for table, rows in named_rows(library).items():
        for row in rows:
            if not row.example:
                continue
            try:
                parse_example(row.example)
            except SyntaxError as error:
                wrong.append(f"{table} {row.names}: {row.example!r} does not parse: {error}")
                continue
            tails = {name.rpartition(".")[2].lower() for pattern in row.names for name in expand(pattern)}
            if "*" not in tails and not tails & {name.lower() for name in mentioned(row.example)}:
                wrong.append(f"{table} {row.names}: {row.example!r} shows none of them")
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_effects_of_a_file_are_documented(path):
    """The first row of each effect has a source and an example; the library has documentation and a version."""
    library, _ = read_library(path, path.name)
    assert library.docs
    first = {effect: row for row in reversed(library.call) for effect in row.effects}
    lacking = [f"{effect}: {row.names}" for effect, row in first.items() if not row.example]
    assert lacking == []
    assert library.call == () or any(row.source for row in library.call) or not first


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_awaitable_call_does_not_block(path):
    library, _ = read_library(path, path.name)
    assert [row.names for row in library.call if row.awaitable and row.blocking] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_impossible_timeout_has_no_argument(path):
    library, _ = read_library(path, path.name)
    wrong = [row.names for row in library.call if row.timeout and row.timeout.impossible and row.timeout.argument]
    assert wrong == []


def test_names_are_unique_among_files():
    """A name has one home, so that nobody corrects one file while another still says the old thing."""
    homes: dict[tuple[str, str, str], list[str]] = {}
    for library, label in read_libraries(FILES):
        for table, rows in named_rows(library).items():
            for row in rows:
                for name in (name for pattern in row.names for name in expand(pattern)):
                    homes.setdefault((table, name, identity_of(row)), []).append(label)
    assert {key: files for key, files in homes.items() if len(files) > 1} == {}


def test_classes_are_unique_among_files():
    count = Counter(
        single.name
        for library, _ in read_libraries(FILES)
        for row in (*library.type, *library.exception)
        for single in singles(row)
    )
    assert [name for name, number in count.items() if number > 1] == []


def test_every_effect_is_used_by_a_library():
    used = {effect for library in load_knowledge().libraries for row in library.call for effect in row.effects}
    assert {effect.value for effect in Effect} - used == set(UNUSED_EFFECTS)


def test_every_guard_is_used_by_a_library():
    used = {row.kind for library in load_knowledge().libraries for row in library.guard}
    assert {kind.value for kind in GuardKind} - used <= set(UNUSED_GUARDS)


def test_exceptions_are_acyclic_and_reach_a_built_in():
    """Else `is_subclass` would answer "unknown" where a handler's meaning hangs on it."""
    knowledge = load_knowledge()
    loose = [
        name
        for name in knowledge.tables.exceptions
        if name != "BaseException"
        and (name in knowledge.exception_bases(name) or "BaseException" not in knowledge.exception_bases(name))
    ]
    assert loose == []


def test_what_calls_raise_is_known():
    knowledge = load_knowledge()
    unknown = {
        name
        for library in knowledge.libraries
        for row in library.call
        for name in row.raises
        if knowledge.exception(name) is None
    }
    assert unknown == set()


def test_bases_of_types_are_known():
    knowledge = load_knowledge()
    unknown = {
        (row.name, base)
        for library in knowledge.libraries
        for row in library.type
        for base in singles(row)[0].bases
        if knowledge.type(base) is None
    }
    assert unknown == set()


SILENT_ON_TIMEOUTS: dict[str, str] = {
    "azure_functions": "the orchestrator replays; its calls are awaited by the engine, not by a thread",
    "dbos": "steps write to the application's own database; its driver decides",
    "fsspec": "the backend that the URL names decides",
    "hatchet_sdk": "deadline of the generated client, not verified",
    "paho_mqtt": "publish only buffers; the loop is the process's purpose",
    "prefect": "the API client's settings decide, not verified per call",
}
"""Libraries most of whose external calls may say nothing about time, with the reason."""


def test_external_calls_say_how_long_they_may_take():
    """A file that leaves most of its external calls without a word on timeouts is not finished."""
    poor = {}
    for library in load_knowledge().libraries:
        rows = [row for row in library.call if EXTERNAL & set(row.effects)]
        silent = [row.names[0] for row in rows if row.timeout is None]
        if len(rows) >= 4 and len(silent) > len(rows) / 2:
            poor[library.library] = silent
    assert {name: rows for name, rows in poor.items() if name not in SILENT_ON_TIMEOUTS} == {}
