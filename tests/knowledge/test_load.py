"""Loading: errors say where, the cache is only a cache, a project's files win."""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from roadworthy.knowledge import load
from roadworthy.knowledge.load import LIBRARIES, KnowledgeError, load_knowledge
from roadworthy.knowledge.show import show_library
from roadworthy.knowledge.validate import ROLES
from roadworthy.text.places import CACHE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = """\
library = "ours"
modules = ["ours"]
checked = 2026-01-01
"""


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A few of the built-in files: loading is the same, only faster."""
    folder = tmp_path_factory.mktemp("libraries")
    for name in ("python_builtins", "python_formats", "requests", "urllib3"):
        shutil.copy(LIBRARIES / f"{name}.toml", folder)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, few):
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    monkeypatch.setattr(load, "LIBRARIES", few)
    return folder


def written(tmp_path, body, head=HEAD, name="ours.toml"):
    path = tmp_path / name
    path.write_text(head + textwrap.dedent(body), encoding="utf-8")
    return path


def complaint(path):
    with pytest.raises(KnowledgeError) as caught:
        load_knowledge((path,))
    return str(caught.value).removeprefix(f"{path}")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x = \n", ":4: not TOML: Invalid value (at line 4, column 5)"),
        ("colour = 'red'\n", ":4: colour: Object contains unknown field `colour`"),
        ("role = ['magic']\n", ":4: role: 'magic' is not in the vocabulary"),
        (
            "[[call]]\nnames = ['ours.a']\neffects = ['log']\n\n[[call]]\nnames = ['ours.f']\neffects = ['fly']\n",
            ":10: call[1].effects: 'fly' is not in the vocabulary",
        ),
        (
            "[[call]]\nnames = ['ours.f']\ntimeout = { absnt = 5 }\n",
            ":6: call[0].timeout.absnt: Object contains unknown field `absnt`",
        ),
        ("[[call]]\nnames = 'ours.f'\n", ":5: call[0].names: Expected `array`, got `str`"),
        ("[[call]]\nnames = ['ours.{f']\n", ":5: call[0].names: unbalanced braces in 'ours.{f'"),
        ("[[call]]\nnames = ['ours f']\n", ":5: call[0].names: 'ours f' is no dotted name"),
        ("[[call]]\nnames = []\n", ":5: call[0].names: names nothing"),
        (
            "[[call]]\nnames = ['ours.f']\n[[call]]\nnames = ['ours.f']\n",
            ":7: call[1].names: 'ours.f' stands in row 0 already",
        ),
        (
            "[[call]]\nnames = ['ours.f']\nversion = '8'\n",
            ":6: call[0].version: '8' is no version specifier such as `>=8,<9`",
        ),
        ("[[guard]]\nnames = ['ours.f']\nkind = 'hope'\n", ":6: guard[0].kind: 'hope' is not in the vocabulary"),
        ("[[entry]]\nnames = ['ours.f']\nkind = 'door'\n", ":6: entry[0].kind: 'door' is not in the vocabulary"),
        (
            "[[type]]\nname = 'ours.T'\nfrom = ['maybe ours.f()']\n",
            ":6: type[0].from: 'maybe ours.f()' is none of `x.y()`, `x.y('literal')`, `x.y`, `with x.y()`, `iter x.y()`",
        ),
        (
            "[[exception]]\nname = 'ours.E'\n[[exception]]\nname = 'ours.E'\n",
            ":7: exception[1].name: 'ours.E' is described twice",
        ),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path, body, message):
    assert complaint(written(tmp_path, body)) == message


def test_a_missing_key_is_an_error(tmp_path):
    path = written(tmp_path, "", head="library = 'ours'\n")
    assert complaint(path) == ": modules: Object missing required field `modules`"


def test_a_missing_file_is_an_error(tmp_path):
    assert "cannot be read: No such file or directory" in complaint(tmp_path / "nothing.toml")


def test_hostile_files_are_errors(tmp_path):
    deep = tmp_path / "deep.toml"
    deep.write_text("a = " + "[" * 100_000, encoding="utf-8")
    assert complaint(deep)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"library = '\xff'")
    assert complaint(binary) == ":1: not UTF-8"
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * 3_000_000)
    assert "larger than" in complaint(large)


def test_a_folder_is_all_its_files(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    written(folder, "[[call]]\nnames = ['ours.f']\neffects = ['email']\n")
    (folder / "notes.md").write_text("not TOML")
    knowledge = load_knowledge((folder,))
    assert knowledge.calls("ours.f")[0].effects == ("email",)
    assert knowledge.library_of("ours.deep.f").library == "ours"


def test_two_files_of_a_project_must_not_contradict(tmp_path):
    first = written(tmp_path, "[[call]]\nnames = ['ours.f']\neffects = ['email']\n")
    second = written(
        tmp_path,
        "[[call]]\nnames = ['ours.f']\neffects = ['sms']\n",
        HEAD.replace('"ours"', '"others"', 1),
        "others.toml",
    )
    with pytest.raises(KnowledgeError, match=r"stands in .*ours\.toml already"):
        load_knowledge((first, second))


def test_what_a_project_says_replaces_what_we_say(tmp_path):
    path = written(
        tmp_path, "[[call]]\nnames = ['requests.get']\neffects = ['http-request']\ntimeout = { absent = 3 }\n"
    )
    ours = load_knowledge()
    theirs = load_knowledge((path,))
    assert len(ours.calls("requests.get")) == 1
    assert [row.timeout.absent for row in ours.calls("requests.get")] == ["forever"]
    assert [row.timeout.absent for row in theirs.calls("requests.get")] == [3]
    assert theirs.calls("requests.head") == ours.calls("requests.head")


def test_the_cache_changes_nothing(cache):
    cold = load_knowledge()
    (stored,) = cache.glob("*.msgpack")
    warm = load_knowledge()
    assert cold.libraries == warm.libraries
    assert cold.calls("requests.get") == warm.calls("requests.get")
    assert list(cache.glob("*")) == [stored]


@pytest.mark.parametrize("damage", [b"", b"rubbish", b"\x00" * 100])
def test_a_damaged_cache_is_rebuilt(cache, damage):
    load_knowledge()
    (stored,) = cache.glob("*.msgpack")
    good = stored.read_bytes()
    for bad in (damage, good[:-5], good[:50] + b"\xff" + good[51:]):
        stored.write_bytes(bad)
        assert load_knowledge().calls("requests.get")
        assert stored.read_bytes() == good


def test_an_unusable_cache_folder_only_costs_time(tmp_path, monkeypatch):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("no folder")
    monkeypatch.setenv(CACHE_VARIABLE, str(in_the_way / "below"))
    assert load_knowledge().calls("requests.get")
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert load_knowledge().calls("requests.get")


def test_an_edited_file_is_read_again(tmp_path):
    path = written(tmp_path, "[[call]]\nnames = ['ours.f']\neffects = ['email']\n")
    assert load_knowledge((path,)).calls("ours.f")[0].effects == ("email",)
    path.write_text(path.read_text().replace("email", "sms"), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert load_knowledge((path,)).calls("ours.f")[0].effects == ("sms",)


def test_old_compilations_are_dropped(tmp_path, cache):
    path = written(tmp_path, "")
    for second in range(12):
        os.utime(path, (second, second))
        load_knowledge((path,))
    assert len(list(cache.glob("*.msgpack"))) == 8


@pytest.mark.slow
def test_loading_is_fast(monkeypatch):
    monkeypatch.setattr(load, "LIBRARIES", LIBRARIES)
    load_knowledge()
    code = Path(argparse.__file__).read_text(encoding="utf-8")  # 2,700 lines: as long, measured, on any machine
    best = min(_seconds(load_knowledge) for _ in range(10))
    assert best < 1.5 * min(_seconds(lambda: ast.parse(code)) for _ in range(10))


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def test_show_says_what_we_believe():
    knowledge = load_knowledge()
    text = show_library(knowledge, "requests")
    assert "timeout: timeout (s) at the call; absent = for ever; None = for ever" in text
    assert "requests.ConnectTimeout(requests.ConnectionError, requests.Timeout): transient" in text
    assert max(len(line) for line in text.splitlines()) <= 120
    assert "No library file speaks of 'no_such_thing'" in show_library(knowledge, "no_such_thing")
    assert "Similar: requests" in show_library(knowledge, "requestss")
    for library in knowledge.libraries:
        assert show_library(knowledge, library.library).startswith(library.library)


def test_readme_lists_the_roles():
    text = (LIBRARIES / "README.md").read_text(encoding="utf-8")
    assert {role for role in ROLES if f"`{role}`" not in text} == set()
