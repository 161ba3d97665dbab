"""The map in each of its formats: a snapshot, and what makes it valid."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from report.map_sample import CREATE, MAP, MAPPED, NOTHING, REVIEWED, crowd
from report.test_hostile import LINE, TEXT, Tags, often
from report.test_snapshots import SNAPSHOTS, without_assets
from roadworthy.findings.finding import Review, Step
from roadworthy.findings.servicemap import Deed, Ends, MapEntry, Protection, ServiceMap, Survives
from roadworthy.report import MAP_FORMATS, render, render_map
from roadworthy.report.map_words import sums

CASES = {
    "map.txt": (MAPPED, "terminal", 100, False),
    "map-narrow.txt": (MAPPED, "terminal", 44, False),
    "map-colour.txt": (MAPPED, "terminal", 100, True),
    "map.md": (MAPPED, "markdown", 100, False),
    "map.json": (MAPPED, "json", 100, False),
    "map.html": (MAPPED, "html", 100, False),
    "map-empty.txt": (NOTHING, "terminal", 100, False),
}
PROTECTION = st.builds(Protection, TEXT, TEXT, TEXT, LINE, st.booleans())
STEP = st.builds(Step, TEXT, LINE, TEXT, TEXT)
DEED = st.builds(
    Deed, TEXT, TEXT, st.lists(STEP, min_size=1, max_size=2).map(tuple), st.lists(st.tuples(TEXT, LINE), min_size=1, max_size=2).map(tuple),
    st.sampled_from(["inline", "task"]), st.sampled_from(Ends), st.booleans(), st.sampled_from(["yes", "no", "only-with-key"]),
    st.lists(PROTECTION, max_size=2).map(tuple),
)  # fmt: skip
ENTRY = st.builds(
    MapEntry, st.sampled_from(["job", "command"]), TEXT, TEXT, LINE, TEXT, TEXT, TEXT, st.booleans(), st.sampled_from([1, 3, "forever", None]),
    st.sampled_from(Survives), TEXT, st.lists(DEED, max_size=2).map(tuple),
)  # fmt: skip
MAPS = st.lists(ENTRY, max_size=3).map(tuple).map(ServiceMap)


@pytest.mark.parametrize("name", CASES)
def test_snapshot(name: str) -> None:
    """`UPDATE_SNAPSHOTS=1` writes them anew, for a person to read."""
    review, format_name, width, color = CASES[name]
    actual = render_map(review, format_name, width=width, color=color)
    if format_name == "html":
        actual = without_assets(actual)
    path = SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_bytes(actual.encode())
    assert path.read_bytes().decode() == actual


def test_every_format_has_a_snapshot() -> None:
    """None is forgotten."""
    assert {case[1] for case in CASES.values()} == set(MAP_FORMATS)


def test_an_unknown_format_is_refused_with_the_known_ones() -> None:
    """By name."""
    with pytest.raises(ValueError, match=r"unknown map format 'sarif': one of terminal, markdown, json, html"):
        render_map(MAPPED, "sarif")


def test_the_json_is_what_its_schema_says() -> None:
    """The contract for other programs, key by key."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for review in (MAPPED, NOTHING):
        assert [error.message for error in validator.iter_errors(json.loads(render_map(review, "json")))] == []
    wrong = json.loads(render_map(MAPPED, "json"))
    wrong["entries"][0]["survives_crash"] = "perhaps"
    assert [error.message for error in validator.iter_errors(wrong)] != []


def test_a_place_counts_once_in_the_sums_however_many_entries_come_to_it() -> None:
    """The numbers of one entry are its own; those of a kind are of the code."""
    assert (CREATE.hanging, CREATE.doubled, CREATE.dropped) == (2, 0, 1)
    assert sums([CREATE, replace(CREATE, name="PUT /orders")]) == (2, 2, 2, 0, 1)


def test_the_review_in_html_has_the_map_and_the_others_do_not_change() -> None:
    """One page for both; a map alone shows no findings."""
    page = render(REVIEWED, "html")
    assert page.count('<tbody class="entry"') == len(MAP.entries)
    assert 'id="findings"' in page
    assert '<a href="#map">' in page
    alone = render_map(MAPPED, "html")
    assert 'id="findings"' not in alone
    assert render(REVIEWED, "json") == render(replace(REVIEWED, map=None), "json")


def test_the_path_is_drawn_with_the_code_of_its_steps() -> None:
    """Where it is at hand; as text, whatever it holds."""
    page = render(REVIEWED, "html")
    assert '<code class="excerpt">async def create_order(order: Order) -&gt; Answer:</code>' in page
    assert '<code class="excerpt">&lt;b&gt;INSERT&lt;/b&gt;</code>' in page
    assert page.count('<code class="excerpt">') == 4
    tags = Tags()
    tags.feed(page)
    assert tags.open == []


def test_only_places_may_be_wider_than_the_terminal() -> None:
    """At any width."""
    for width in (30, 60, 96, 120):
        wide = [line for line in render_map(crowd(9), "terminal", width=width).splitlines() if len(line) > width]
        assert [line for line in wide if not line.strip().startswith(("services/", "app/"))] == []


@pytest.mark.parametrize("format_name", MAP_FORMATS)
@given(found=MAPS, width=st.integers(-5, 200))
@settings(often, max_examples=40)
def test_hostile_words(format_name: str, found: ServiceMap, width: int) -> None:
    """Nothing steers a terminal, and every document keeps its shape."""
    text = render_map(Review(".", (), map=found), format_name, width=width)
    text.encode("utf-8")
    assert text.endswith("\n")
    assert re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028\u2029]", text) == []
    if format_name == "json":
        assert len(json.loads(text)["entries"]) == len(found.entries)
    if format_name == "html":
        tags = Tags()
        tags.feed(text)
        tags.close()
        assert tags.open == []
        assert [tags.seen.count(tag) for tag in ("script", "style", "img", "article")] == [1, 1, 0, 0]
        assert tags.seen.count("tbody") == len(found.entries) + sum(1 for entry in found.entries if entry.deeds)
    if format_name == "markdown":
        tokens = MarkdownIt("commonmark").enable("table").parse(text)
        inner = {child.type for token in tokens for child in token.children or ()}
        assert {"html_inline", "link_open", "image"} & inner == set()
        assert sum(1 for token in tokens if token.type == "tbody_open") == 1 + sum(1 for e in found.entries if e.deeds)


def _object(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(items: object) -> dict[str, object]:
    return {"type": "array", "items": items}


_TEXT, _COUNT, _YES = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}
_PLACE = _object(path=_TEXT, line=_COUNT)
_SUMS: dict[str, object] = dict.fromkeys(
    ("entries", "with_effects", "no_time_limit", "open_to_repetition", "lost_with_process"), _COUNT
)
SCHEMA = _object(
    schema_version={"const": 1},
    tool=_object(name=_TEXT, version=_TEXT),
    root=_TEXT,
    summary=_object(**_SUMS, files=_COUNT, lines=_COUNT, complete=_YES),
    kinds={"type": "object", "additionalProperties": _object(**_SUMS)},
    entries=_list(
        _object(
            kind=_TEXT, name=_TEXT, path=_TEXT, line=_COUNT, function=_TEXT, source=_TEXT, delivery=_TEXT, repeats=_YES,
            attempts={"anyOf": [_COUNT, {"enum": ["forever", None]}]}, survives_crash={"enum": ["yes", "no", "rerun", "unknown"]}, why=_TEXT,
            effects=_list(
                _object(
                    effect=_TEXT, target=_TEXT, runs=_TEXT, time_limit={"enum": ["bounded", "forever", "unknown", "local"]}, persists=_YES,
                    safe_to_repeat={"enum": ["yes", "only-with-key", "no"]}, may_hang=_YES, open_to_repetition=_YES, places=_list(_PLACE),
                    protections=_list(_object(kind=_TEXT, text=_TEXT, path=_TEXT, line=_COUNT, everywhere=_YES)),
                    steps=_list(_object(path=_TEXT, line=_COUNT, function=_TEXT, note=_TEXT)),
                )
            ),
        )
    ),
    errors=_list(_object(path=_TEXT, line=_COUNT, message=_TEXT)),
    notes=_list(_TEXT),
)  # fmt: skip
