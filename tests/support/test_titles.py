"""House style of titles."""

from __future__ import annotations

import pytest

from support.titles import title_faults

FILES = {"app.py": "class Ledger:\n    pass\n"}


@pytest.mark.parametrize(
    "title", ["the retry repeats a POST", "`Ledger` is built anew", "Ledger.post() hangs", "POST /orders inserts twice"]
)
def test_good_titles(title: str) -> None:
    """Names keep their spelling."""
    assert title_faults(title, FILES) == []


@pytest.mark.parametrize("title", ["The retry", "a retry.", "", " a", "a\nb", "x" * 111, "Client is built anew"])
def test_bad_titles(title: str) -> None:
    """One fact, lower case, no full stop, short."""
    assert title_faults(title, FILES) != []
