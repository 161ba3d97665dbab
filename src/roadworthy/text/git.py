"""What git knows of a working tree, read from its files: git itself is never run, so nothing its configuration names runs."""

from __future__ import annotations

import hashlib
import os
import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_MAX_INDEX = 200_000_000
_EXTENDED = 0x4000


def git_dir(root: Path) -> Path | None:
    """Return the git directory of a working tree: `.git`, or where a `.git` file (worktree, submodule) points."""
    marker = root / ".git"
    if marker.is_dir():
        return marker
    try:
        with marker.open(encoding="utf-8", errors="replace") as stream:
            line = stream.read(4096)
    except OSError:
        return None
    found = re.match(r"gitdir: *([^\n\x00]+)", line)
    return (root / found[1].strip()) if found else None


def tracked(root: Path) -> frozenset[str] | None:
    """Paths in the index, or None when there is none that we can read. A tracked file is never ignored."""
    directory = git_dir(root)
    if directory is None:
        return None
    index = directory / "index"
    try:
        if not index.is_file() or index.stat().st_size > _MAX_INDEX:
            return None
        data = index.read_bytes()
    except (OSError, ValueError):
        return None
    try:
        return frozenset(_entries(data, _digest_size(data)))
    except (ValueError, IndexError, struct.error):
        return None


def _digest_size(data: bytes) -> int:
    """Tell SHA-1 from SHA-256 repositories by the checksum at the end: the index does not say which it is."""
    is_long = hashlib.sha256(data[:-32], usedforsecurity=False).digest() == data[-32:]
    return 32 if is_long else 20


def _entries(data: bytes, digest_size: int) -> list[str]:
    """Paths of the entries of an index of version 2, 3 or 4."""
    signature, version, count = struct.unpack_from(">4sII", data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("not an index")
    flags_at = 40 + digest_size
    paths: list[str] = []
    at, previous = 12, b""
    for _ in range(count):
        flags = int.from_bytes(data[at + flags_at : at + flags_at + 2], "big")
        start = at + flags_at + (4 if flags & _EXTENDED else 2)
        if version == 4:
            cut, start = _varint(data, start)
            end = data.index(b"\0", start)
            previous = previous[: len(previous) - cut] + data[start:end]
            at = end + 1
        else:
            end = data.index(b"\0", start)
            previous = data[start:end]
            at += (end - at + 8) & ~7  # entries are padded with 1-8 NUL bytes to a multiple of eight
        if not previous:
            raise ValueError("an entry without a path")
        paths.append(os.fsdecode(previous))
    return paths


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Git's offset encoding, as in pack files."""
    byte = data[at]
    value = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = data[at]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, at + 1


def submodules(root: Path) -> frozenset[str]:
    """Paths that `.gitmodules` declares: part of the project, unlike a clone that happens to lie inside."""
    try:
        with (root / ".gitmodules").open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(1_000_000)
    except OSError:
        return frozenset()
    return frozenset(
        found.strip('"').rstrip("/") for found in re.findall(r"(?m)^[ \t]*path[ \t]*=[ \t]*(.+?)[ \t\r]*$", text)
    )
