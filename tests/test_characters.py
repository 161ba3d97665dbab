"""Columns of a review are characters, whatever the file's encoding."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import pytest

from roadworthy.engine import review

if TYPE_CHECKING:
    from pathlib import Path

CODE = (
    'import requests\n\n\ndef fetch():\n    größe = "äöü"; return requests.get("https://example.org", params=größe)\n'
)


@pytest.mark.parametrize(
    "data",
    [
        CODE.encode(),
        codecs.BOM_UTF8 + CODE.encode(),
        CODE.replace("\n", "\r\n").encode(),
        b"# coding: latin-1\n" + CODE.encode("latin-1"),
    ],
    ids=["utf-8", "mark", "carriage returns", "latin-1"],
)
def test_a_column(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "app.py").write_bytes(data)
    (finding,) = [one for one in review([tmp_path]).findings if one.rule == "call-without-timeout"]
    assert finding.at.column == CODE.splitlines()[4].index("requests.get")


def test_a_column_in_plain_text(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        'import requests\n\n\ndef fetch():\n    return requests.get("https://example.org")\n'
    )
    (finding,) = [one for one in review([tmp_path]).findings if one.rule == "call-without-timeout"]
    assert finding.at.column == len("    return ")
