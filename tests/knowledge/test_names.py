"""Names as library files write them."""

from __future__ import annotations

import pytest

from roadworthy.knowledge.names import MOST_NAMES, expand, is_name, needs_met, parse_origin, singles, when_matches
from roadworthy.knowledge.schema import ExceptionRow


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("open", ("open",)),
        ("requests.{get,head}", ("requests.get", "requests.head")),
        (
            "requests{,.api}.{put,delete}",
            ("requests.put", "requests.delete", "requests.api.put", "requests.api.delete"),
        ),
        ("a.{b,c.{d,e}}", ("a.b", "a.c.d", "a.c.e")),
        ("a.{b, c}", ("a.b", "a.c")),
        ("{A.{b,c},D.{e,f},G}", ("A.b", "A.c", "D.e", "D.f", "G")),
        ("{a,b}.{c,d}", ("a.c", "a.d", "b.c", "b.d")),
        ("a.{b,b}", ("a.b",)),
        ("grpc_stub.*", ("grpc_stub.*",)),
    ],
)
def test_braces_expand(pattern, names):
    assert sorted(names) == sorted(expand(pattern))


@pytest.mark.parametrize("pattern", ["a.{b", "a.b}", "a}b{"])
def test_unbalanced_braces_are_refused(pattern):
    with pytest.raises(ValueError, match="unbalanced"):
        expand(pattern)


def test_a_brace_bomb_is_refused():
    with pytest.raises(ValueError, match=f"more than {MOST_NAMES}"):
        expand("{a,b}" * 60)


@pytest.mark.parametrize(
    ("name", "good"), [("a.b", True), ("a.*", True), ("a.*.b", False), ("a..b", False), ("", False), ("a b", False)]
)
def test_what_a_name_is(name, good):
    assert is_name(name) is good


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("x.y()", ("call", "x.y", "")),
        ("boto3.client('s3')", ("call", "boto3.client", "'s3'")),
        ("flask.request", ("attribute", "flask.request", "")),
        ("with x.y()", ("with", "x.y", "")),
        ("iter x.Y", ("iter", "x.Y", "")),
        ("with x.y('a')", None),
        ("x.y(1)", None),
        ("for x.y()", None),
    ],
)
def test_how_values_come_to_be(text, parsed):
    assert parse_origin(text) == parsed


def test_a_braced_class_is_one_row_for_each_name():
    rows = singles(ExceptionRow(name="x.{A,B}", bases=("OSError",), same_as=("x.errors.{A,B}",)))
    assert [(row.name, row.same_as) for row in rows] == [("x.A", ("x.errors.A",)), ("x.B", ("x.errors.B",))]


def test_aliases_of_a_braced_class_match_one_to_one():
    with pytest.raises(ValueError, match="one to one"):
        singles(ExceptionRow(name="x.{A,B}", same_as=("x.C",)))


@pytest.mark.parametrize(
    ("when", "literals", "matches"),
    [
        ({}, {}, True),
        ({"mode": "w"}, {"mode": "w"}, True),
        ({"mode": "w*|x*"}, {"mode": "xb"}, True),
        ({"1|mode": "w*"}, {"1": "wb"}, True),
        ({"1|mode": "w*"}, {"0": "wb"}, False),
        ({"mode": "w"}, {}, False),
        ({"block": "False", "timeout": "1"}, {"block": "False"}, False),
    ],
)
def test_when(when, literals, matches):
    assert when_matches(when, literals) is matches


def test_needs():
    assert needs_met(["1|stream"], {"stream"})
    assert needs_met(["1|stream", "create"], {"1", "create"})
    assert not needs_met(["1|stream", "create"], {"1"})
