"""The cache: right when it works, silent when it does not, never believed blindly."""

from __future__ import annotations

import multiprocessing
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from roadworthy.facts import cache as module
from roadworthy.facts.cache import FactsCache, extractor_version, facts_key

if TYPE_CHECKING:
    from pathlib import Path

KEYS = [bytes([number]) * 20 for number in range(10)]


def filled(folder: Path) -> FactsCache:
    """A cache with ten entries."""
    cache = FactsCache(folder)
    cache.put([(key, b"payload" * 50 + key) for key in KEYS])
    return cache


def contents(cache: FactsCache) -> dict[bytes, bytes]:
    """All that is known of the ten keys."""
    return dict(cache.get(KEYS))


def test_what_is_put_is_got(tmp_path: Path) -> None:
    """By another instance, too; unknown keys are left out."""
    filled(tmp_path / "new" / "folder")
    known = dict(FactsCache(tmp_path / "new" / "folder").get([*KEYS, b"?" * 20]))
    assert known == {key: b"payload" * 50 + key for key in KEYS}


def test_folder_is_marked(tmp_path: Path) -> None:
    """Backups and git pass it by."""
    filled(tmp_path / "cache")
    assert (tmp_path / "cache/CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert (tmp_path / "cache/.gitignore").read_text() == "*\n"


def test_no_folder_no_cache() -> None:
    """Nothing is kept, nothing is known, nothing fails."""
    cache = FactsCache(None)
    cache.put([(KEYS[0], b"x")])
    assert (cache.works, contents(cache)) == (False, {})


def test_a_damaged_entry_is_a_miss(tmp_path: Path) -> None:
    """A flipped bit, a cut value, a value of another type; the others stay."""
    cache = filled(tmp_path)
    with sqlite3.connect(tmp_path / "facts.sqlite") as connection:
        (value,) = connection.execute("SELECT value FROM facts WHERE key = ?", (KEYS[0],)).fetchone()
        for key, bad in ((KEYS[0], value[:-1] + bytes([value[-1] ^ 1])), (KEYS[1], b"12"), (KEYS[2], "text")):
            connection.execute("UPDATE facts SET value = ? WHERE key = ?", (bad, key))
    connection.close()
    assert sorted(contents(cache)) == KEYS[3:]


@pytest.mark.parametrize("rubbish", [b"", b"rubbish " * 10_000, b"SQLite format 3\0" + b"\xff" * 50_000])
def test_a_file_of_rubbish_is_replaced(tmp_path: Path, rubbish: bytes) -> None:
    """It is no cache of ours any more."""
    (tmp_path / "facts.sqlite").write_bytes(rubbish)
    assert contents(filled(tmp_path)).keys() == set(KEYS)


def test_another_layout_is_replaced(tmp_path: Path) -> None:
    """A file of a later version is not misread."""
    filled(tmp_path)
    with sqlite3.connect(tmp_path / "facts.sqlite") as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    assert contents(FactsCache(tmp_path)) == {}
    assert contents(filled(tmp_path)).keys() == set(KEYS)


def test_a_torn_file(tmp_path: Path) -> None:
    """Half of the file is gone: what cannot be read is a miss, and the next run has a cache again."""
    filled(tmp_path)
    for name in ("facts.sqlite-wal", "facts.sqlite-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    data = (tmp_path / "facts.sqlite").read_bytes()
    (tmp_path / "facts.sqlite").write_bytes(data[: len(data) // 2])
    assert set(contents(FactsCache(tmp_path))) <= set(KEYS)
    assert contents(filled(tmp_path)).keys() == set(KEYS)


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    """Where the file should be, or where the folder should be."""
    (tmp_path / "facts.sqlite").mkdir()
    assert contents(filled(tmp_path)) == {}
    (tmp_path / "file").write_text("x")
    assert contents(filled(tmp_path / "file")) == {}
    assert contents(filled(tmp_path / "file" / "below")) == {}


def test_the_oldest_go(tmp_path: Path) -> None:
    """The file stays bounded; what came last stays."""
    cache = FactsCache(tmp_path, max_bytes=1_000_000)
    keys = [number.to_bytes(20, "big") for number in range(60)]
    for start in range(0, 60, 10):
        cache.put([(key, bytes(50_000)) for key in keys[start : start + 10]])
    known = [key for key, _ in cache.get(keys)]
    assert keys[-1] in known
    assert keys[0] not in known
    assert 10 <= len(known) <= 20
    assert (tmp_path / "facts.sqlite").stat().st_size < 2_000_000


def test_a_locked_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process writes: we read what is there, write nothing, and do not take the file for broken."""
    cache = filled(tmp_path)
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    other = sqlite3.connect(tmp_path / "facts.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    cache.put([(b"new" + bytes(17), b"x")])
    assert contents(cache).keys() == set(KEYS)
    other.execute("ROLLBACK")
    other.close()
    assert dict(FactsCache(tmp_path).get([b"new" + bytes(17)])) == {}
    assert contents(FactsCache(tmp_path)).keys() == set(KEYS)


def _hammer(folder: Path, number: int) -> None:
    cache = FactsCache(folder)
    for turn in range(20):
        cache.put([(bytes([number, turn, index]) + bytes(17), bytes([number]) * 3000) for index in range(10)])
        assert all(value == bytes([number]) * 3000 for _, value in cache.get([bytes([number, turn, 0]) + bytes(17)]))


def test_processes_at_once(tmp_path: Path) -> None:
    """They neither break the file nor one another."""
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_hammer, args=(tmp_path, number)) for number in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    keys = [
        bytes([number, turn, index]) + bytes(17) for number in range(3) for turn in range(20) for index in range(10)
    ]
    found = dict(FactsCache(tmp_path).get(keys))
    assert all(value == bytes([key[0]]) * 3000 for key, value in found.items())
    assert len(found) > 300  # a writer that waits too long gives up, but not most of the time


def test_key_depends_on_everything() -> None:
    """Version of the extractor, kind of file, path, content."""
    keys = {
        facts_key(b"1", "python", "a.py", b"x"),
        facts_key(b"2", "python", "a.py", b"x"),
        facts_key(b"1", "around", "a.py", b"x"),
        facts_key(b"1", "python", "b.py", b"x"),
        facts_key(b"1", "python", "a.py", b"y"),
    }
    assert len(keys) == 5
    assert extractor_version("1") != extractor_version("2")


def test_a_large_cache_is_quick(tmp_path: Path) -> None:
    """Ten thousand entries are read in a moment: the reason for one file and large pages."""
    cache = FactsCache(tmp_path)
    keys = [number.to_bytes(20, "big") for number in range(10_000)]
    cache.put((key, key * 100) for key in keys)
    start = time.monotonic()
    assert sum(1 for _ in cache.get(keys)) == 10_000
    assert time.monotonic() - start < 2
