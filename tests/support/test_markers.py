"""The markers of the case format."""

from __future__ import annotations

import pytest

from support.markers import Marker, MarkerError, take_markers


def test_a_python_comment_is_taken_out_and_the_rest_of_the_line_stays() -> None:
    """The tool never sees a marker; other words of the comment stay."""
    source = 'x = "# finding: not-one"\ncall()  # on purpose  # finding: some-rule HIGH "call()"\n'
    clean, markers = take_markers("app.py", source)
    assert clean == 'x = "# finding: not-one"\ncall()  # on purpose\n'
    assert markers == (Marker("finding", "some-rule", "app.py", 2, "call()", "HIGH"),)


def test_several_markers_on_one_line() -> None:
    """Rules and stages may be mixed; stage words may be listed."""
    _, markers = take_markers(
        "app.py", "f()  # finding: a # missed: b  # effect: sql-insert, commit  # calls: app.m.f\n"
    )
    assert [(m.kind, m.word) for m in markers] == [
        ("finding", "a"),
        ("missed", "b"),
        ("effect", "sql-insert"),
        ("effect", "commit"),
        ("calls", "app.m.f"),
    ]


@pytest.mark.parametrize(
    ("path", "source", "clean"),
    [
        ("Dockerfile", "FROM x\n# finding: r\nCMD run\n", "FROM x\n#\nCMD run\n"),
        ("schema.sql", "SELECT 1;\n-- finding: r\nSELECT 2;\n", "SELECT 1;\n--\nSELECT 2;\n"),
        ("app.py", "f(\n    1,\n    # finding: r\n    # why\n    2,\n)\n", "f(\n    1,\n\n    # why\n    2,\n)\n"),
    ],
)
def test_a_marker_alone_speaks_of_the_next_line_with_content(path: str, source: str, clean: str) -> None:
    """Needed where a trailing comment is not possible."""
    text, (marker,) = take_markers(path, source)
    assert clean == text
    assert marker.line == (5 if path == "app.py" else 3)


def test_a_file_that_is_not_python_any_more_is_searched_as_text() -> None:
    """Cases about half-written files need markers too."""
    _, markers = take_markers("app.py", "def f(:\n    '''\n    g()  # finding: r\n")
    assert [(m.word, m.line) for m in markers] == [("r", 3)]


@pytest.mark.parametrize(
    "comment",
    [
        "# findings: some-rule",
        "# Finding: some-rule",
        "# missing: some-rule",
        "# false alarm: some-rule",
        "# finding: some-rule, other-rule",
        "# finding: some-rule high",
        "# finding:",
        "# finding: some-rule because it is so",
        "# problem: no quotes",
        "# finding: a # findings: b",
    ],
)
def test_what_looks_like_a_marker_and_is_none_is_an_error(comment: str) -> None:
    """A misspelled marker would be an expectation that is never checked."""
    with pytest.raises(MarkerError):
        take_markers("app.py", f"f()  {comment}\n")


def test_a_marker_with_nothing_after_it_is_an_error() -> None:
    """It would speak of no line."""
    with pytest.raises(MarkerError):
        take_markers("app.py", "f()\n# finding: r\n")
