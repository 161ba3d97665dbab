"""`--area`: what words, globs, paths and dotted names mean."""

from __future__ import annotations

import time

import pytest

from engine_fakes import python
from roadworthy.facts.area import area_of_paths, find_area

FILES = [
    python(
        "src/shop/billing/invoices.py",
        b'def send_invoice():\n    """Mails it to the customer."""\n\ndef helper():\n    pass\n',
    ),
    python("src/shop/billing/__init__.py", b""),
    python(
        "src/shop/orders.py", b"def place():\n    pass\n\ndef payWithCard():\n    pass\n\ndef cancel():\n    pass\n"
    ),
    python("worker.py", b"def consume():\n    pass\n"),
]


def meant(text: str) -> dict[str, object]:
    """Whole files as "all", else the lines."""
    ranges = find_area(text, FILES, ["deploy/Dockerfile"]).ranges
    return {path: "all" if spans[0][1] > 10_000 else list(spans) for path, spans in sorted(ranges.items())}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("worker.py", {"worker.py": "all"}),
        ("./worker.py", {"worker.py": "all"}),
        ("src/shop/billing/", {"src/shop/billing/__init__.py": "all", "src/shop/billing/invoices.py": "all"}),
        ("deploy", {"deploy/Dockerfile": "all"}),
        (
            "src/**/*.py",
            dict.fromkeys(
                ["src/shop/billing/__init__.py", "src/shop/billing/invoices.py", "src/shop/orders.py"], "all"
            ),
        ),
        ("w*.py", {"worker.py": "all"}),
        ("shop.billing", {"src/shop/billing/__init__.py": "all", "src/shop/billing/invoices.py": "all"}),
        ("shop.orders", {"src/shop/orders.py": "all"}),
        ("src.shop.orders.place", {"src/shop/orders.py": [(1, 3)]}),
        ("shop.orders:payWithCard", {"src/shop/orders.py": [(4, 6)]}),
        ("orders.cancel", {"src/shop/orders.py": [(7, 9)]}),
        ("cancel", {"src/shop/orders.py": [(7, 9)]}),
        ("invoices", {"src/shop/billing/invoices.py": "all"}),
        ("customer", {"src/shop/billing/invoices.py": [(1, 3)]}),
        ("the invoices of our customers", {"src/shop/billing/invoices.py": [(1, 3)]}),
        ("card payments", {}),
        ("pay card", {"src/shop/orders.py": [(4, 6)]}),
        ("Billing", {"src/shop/billing/__init__.py": "all", "src/shop/billing/invoices.py": "all"}),
        ("voice", {}),
        ("the", {}),
        ("", {}),
        ("[", {}),
        ("no.such.module", {}),
    ],
)
def test_meaning(text: str, expected: dict[str, object]) -> None:
    """Path, glob, dotted name, words, in this order."""
    assert meant(text) == expected


def test_hostile_text() -> None:
    """No text raises or takes long."""
    start = time.monotonic()
    for text in ("*a" * 60, "((((", "\x00", "a" * 100_000, ".".join("a" * 2000), "\ud800"):
        find_area(text, FILES)
    assert time.monotonic() - start < 2


def test_holds() -> None:
    """A range is touched when it overlaps."""
    area = find_area("shop.orders:payWithCard", FILES)
    held = [area.holds("src/shop/orders.py", *lines) for lines in ((3,), (4,), (6,), (7,), (1, 4), (6, 9), (7, 9))]
    assert held == [False, True, True, False, True, True, False]
    assert not area.holds("worker.py", 4)


def test_paths() -> None:
    """Files and all below folders; a name that merely begins alike is another."""
    paths = ["a/b.py", "a/c/d.py", "ab/e.py", "f.py"]
    assert list(area_of_paths(["a", "f.py"], paths).ranges) == ["a/b.py", "a/c/d.py", "f.py"]
    assert list(area_of_paths(["."], paths).ranges) == paths
    area = area_of_paths(["a", "f.py"], paths)
    assert [area.concerns(path) for path in ("a", "a/closed", "f.py", "ab", "ab/e.py")] == [
        True,
        True,
        True,
        False,
        False,
    ]
