"""FLEET.toml and listings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from roadworthy.config import ConfigError
from roadworthy.fleet.plan import Repository, load_fleet

if TYPE_CHECKING:
    from pathlib import Path


def test_a_fleet_file(tmp_path: Path) -> None:
    """Repositories from the file and from a listing, sorted; limits in the units that they are written in."""
    (tmp_path / "fleet.toml").write_text(
        'listing = "all.txt"\n[limits]\nminutes = 2\nmemory-mb = 500\n[settings]\nignore = ["durability"]\n'
        '[[repositories]]\nsource = "orders"\nrevision = "main"\nareas = ["src"]\nowners = ["a", "b"]\n'
    )
    (tmp_path / "all.txt").write_text(
        "# of the platform\n\nhttps://example.org/team/web.git revision=v1 owner=c area=x\n"
    )
    fleet = load_fleet(tmp_path / "fleet.toml")
    assert fleet.name == "fleet"
    assert fleet.repositories == (
        Repository("orders", str(tmp_path / "orders"), "main", ("src",), ("a", "b")),
        Repository("team/web", "https://example.org/team/web.git", "v1", ("x",), ("c",)),
    )
    assert (fleet.limits.seconds, fleet.limits.memory) == (120.0, 500_000_000)
    assert fleet.settings.ignore == ("durability",)
    assert fleet.digest() == load_fleet(tmp_path / "fleet.toml").digest()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no repository"),
        ('[[repositories]]\nsurce = "x"', "did you mean source"),
        ('[[repositories]]\nsource = "git@example.org:x/y"', "ssh is not spoken"),
        ('[[repositories]]\nsource = "a/x"\n[[repositories]]\nsource = "b/x"', "two are called x"),
        ('[limits]\nminutes = 0\n[[repositories]]\nsource = "x"', "must be a number above 0"),
        ('[settings]\nignore = ["nothing"]\n[[repositories]]\nsource = "x"', "is no rule"),
        ('listing = "none.txt"', "none.txt"),
        ('listing = "bad.txt"', "bad.txt:2: 'colour=red' is none of"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    """With the place."""
    (tmp_path / "bad.txt").write_text("a\nb colour=red\n")
    (tmp_path / "fleet.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_fleet(tmp_path / "fleet.toml")


def test_rules_that_differ_have_another_name(tmp_path: Path) -> None:
    """By what library files say too, not by their names alone: a review under the old words is not taken over."""
    file, library = tmp_path / "fleet.toml", tmp_path / "house.toml"
    file.write_text('[[repositories]]\nsource = "x"\n[settings]\nlibraries = ["house.toml"]\n')
    names = []
    for text in ("", "# one", "# two"):
        library.write_text(text)
        names += [load_fleet(file).ruleset(), load_fleet(file).ruleset()]
    assert len(set(names)) == 3
    library.unlink()
    with pytest.raises(ConfigError, match=r"house\.toml"):
        load_fleet(file).ruleset()
