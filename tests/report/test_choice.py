"""Which format is meant, and the numbers that all formats share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from report.sample import CREATED, RETRY, REVIEW, TIMEOUT, many
from roadworthy.findings.finding import Severity
from roadworthy.report import FORMATS, encodable, format_of, render
from roadworthy.report.order import foremost, ordered
from roadworthy.report.tool import VERSION


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("report.sarif", "sarif"),
        ("out/Report.SARIF", "sarif"),
        ("a.sarif.json", "sarif"),
        ("review.html", "html"),
        ("review.htm", "html"),
        ("REVIEW.md", "markdown"),
        ("x.markdown", "markdown"),
        ("report.json", "json"),
        ("gl-code-quality-report.json", "gitlab"),
        ("out\\gl-code-quality.json", "gitlab"),
        ("codequality.json", "gitlab"),
        ("junit.xml", "junit"),
        ("results/roadworthy.xml", "junit"),
        ("report.txt", "terminal"),
        ("/home/runner/_temp/step_summary_5b1f", "github-summary"),
        ("report.pdf", None),
        ("json", None),
        ("", None),
    ],
)
def test_format_of(filename: str, expected: str | None) -> None:
    assert format_of(filename) == expected


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown report format 'pdf': one of terminal, markdown, json"):
        render(REVIEW, "pdf")


def test_inside_a_pillar_the_order_is_severity_then_path_then_line() -> None:
    places = [(f.pillar.value, f.severity.rank, f.at.path, f.at.line) for f in ordered(many(60))]
    by_pillar = ["resilience", "idempotency", "durability"]
    assert places == sorted(places, key=lambda place: (by_pillar.index(place[0]), *place[1:]))
    assert len(places) == 60


def test_what_to_read_first_goes_by_severity_and_then_by_weight() -> None:
    heavy_low = replace(CREATED, weight=99)
    light_high = replace(TIMEOUT, weight=1, title="another")
    assert foremost([heavy_low, RETRY, light_high, TIMEOUT], 3) == (TIMEOUT, light_high, RETRY)


def test_the_version_is_that_of_the_package() -> None:
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == VERSION


def test_encodable_keeps_what_it_can() -> None:
    text = render(REVIEW, "terminal")
    assert encodable(text, "utf-8") == text
    assert encodable("a → b … ü", "ascii") == "a -> b ... \\xfc"
    assert encodable("ü → b", "latin-1") == "ü -> b"
    encodable(text, "cp1252").encode("cp1252")


@pytest.mark.parametrize("format_name", FORMATS)
def test_each_severity_and_pillar_shows(format_name: str) -> None:
    text = render(many(90), format_name).lower()
    words = {
        "sarif": ("error", "warning", "note"),
        "github": ("::error", "::warning", "::notice"),
        "gitlab": ("critical", "major", "minor"),
    }.get(format_name, tuple(severity.value.lower() for severity in Severity))
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize("color", [False, True])
def test_the_terminal_report_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch, color: bool) -> None:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM", "TTY_COMPATIBLE", "JUPYTER_COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    expected = render(REVIEW, "terminal", width=72, color=color)
    assert ("\x1b[" in expected) is color
    for name, value in (("COLUMNS", "33"), ("FORCE_COLOR", "1"), ("TERM", "dumb"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
        assert render(REVIEW, "terminal", width=72, color=color) == expected


@pytest.mark.parametrize("width", [30, 44, 60, 80, 120])
def test_only_code_and_places_may_be_wider_than_the_terminal(width: int) -> None:
    wide = [line for line in render(many(12), "terminal", width=width).splitlines() if len(line) > width]
    assert [line for line in wide if "│ " not in line and not line.strip().startswith("services/")] == []
