"""The walk: where a project begins, what it holds, and where the walk refuses to go."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from roadworthy.text import discover as module
from roadworthy.text.discover import discover, find_root
from roadworthy.text.ignore import PathPatterns
from roadworthy.text.source import Kind, Role

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, *names: str, text: str = "x = 1\n") -> None:
    """Make files with folders."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def paths(root: Path, **options: object) -> list[str]:
    """What the walk finds."""
    return [file.path for file in discover(root, wants=lambda _: False, **options).files]  # type: ignore[arg-type]


# --- the root --------------------------------------------------------------------------------------------------------


def test_root_is_the_repository(tmp_path: Path) -> None:
    """The nearest `.git` above, even where a nearer folder has a configuration file."""
    write(tmp_path, "svc/pyproject.toml", "svc/app/a.py")
    (tmp_path / ".git").mkdir()
    assert find_root([tmp_path / "svc/app/a.py"]) == tmp_path
    assert find_root([tmp_path / "svc", tmp_path / "svc/app"]) == tmp_path


def test_root_without_git(tmp_path: Path) -> None:
    """Then a configuration file marks it, or the common folder is it."""
    write(tmp_path, "svc/pyproject.toml", "svc/app/a.py", "other/b.py")
    assert find_root([tmp_path / "svc/app/a.py"]) == tmp_path / "svc"
    assert find_root([tmp_path / "other"]) == tmp_path / "other"
    assert find_root([tmp_path / "svc", tmp_path / "other/b.py"]) == tmp_path


def test_a_repository_does_not_hold_what_it_ignores(tmp_path: Path) -> None:
    """A tree unpacked into an ignored folder is a project of its own."""
    (tmp_path / ".git").mkdir()
    write(tmp_path, ".gitignore", text="/cache/\n")
    write(tmp_path, "cache/tree/app.py", "kept/app.py")
    assert find_root([tmp_path / "cache/tree"]) == tmp_path / "cache/tree"
    assert find_root([tmp_path / "kept"]) == tmp_path


def test_a_home_folder_in_git_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is what was asked for."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".git").mkdir()
    write(tmp_path, "work/app.py")
    assert find_root([tmp_path / "work"]) == tmp_path / "work"
    assert find_root([tmp_path]) == tmp_path


# --- what is found ---------------------------------------------------------------------------------------------------


def test_sorted_and_of_both_kinds(tmp_path: Path) -> None:
    """Python, stubs not, other files when wanted; order by path."""
    write(tmp_path, "b.py", "a/z.py", "a.py", "a/b.pyi", "Dockerfile", "notes.txt", "w.pyw")
    tree = discover(tmp_path, wants=lambda path: path == "Dockerfile")
    assert [(file.path, file.kind) for file in tree.files] == [
        ("Dockerfile", Kind.AROUND),
        ("a.py", Kind.PYTHON),
        ("a/z.py", Kind.PYTHON),
        ("b.py", Kind.PYTHON),
        ("w.pyw", Kind.PYTHON),
    ]


def test_scripts_around_python_are_production(tmp_path: Path) -> None:
    """What starts the service often lies in `scripts/`."""
    write(tmp_path, "scripts/start.sh", "scripts/once.py", "tests/run.sh")
    tree = discover(tmp_path, wants=lambda path: path.endswith(".sh"))
    assert [(file.path, file.role) for file in tree.files] == [
        ("scripts/once.py", Role.SCRIPT),
        ("scripts/start.sh", Role.PRODUCTION),
        ("tests/run.sh", Role.TEST),
    ]


def test_a_build_hook_is_a_script(tmp_path: Path) -> None:
    """At the top only; inside a package it is a module like any other."""
    write(tmp_path, "hatch_build.py", "app/__init__.py", "app/hatch_build.py")
    tree = discover(tmp_path, wants=lambda _: False)
    roles = {file.path: file.role for file in tree.files}
    assert (roles["hatch_build.py"], roles["app/hatch_build.py"]) == (Role.SCRIPT, Role.PRODUCTION)


def test_executables_without_suffix(tmp_path: Path) -> None:
    """Only when they are executable and say Python."""
    write(tmp_path, "bin/worker", "bin/plain", text="#!/usr/bin/env python3\nx = 1\n")
    write(tmp_path, "bin/shell", text="#!/bin/sh\n")
    (tmp_path / "bin/worker").chmod(0o755)
    (tmp_path / "bin/shell").chmod(0o755)
    assert paths(tmp_path) == ["bin/worker"]


def test_what_is_passed_by_is_counted(tmp_path: Path) -> None:
    """Vendored, built, hidden folders and environments."""
    write(
        tmp_path, "app/a.py", "node_modules/x/a.py", "app/_vendor/b.py", "third_party/c.py", "build/lib/d.py", ".tox/e.py",
        "env/pyvenv.cfg", "env/lib/f.py", "x.egg-info/g.py", "app/vendor/h.py",
        "{{cookiecutter.name}}/i.py",
    )  # fmt: skip
    tree = discover(tmp_path, wants=lambda _: False)
    assert [file.path for file in tree.files] == ["app/a.py"]
    assert tree.skipped == {
        "built folders": 1,
        "environments": 2,
        "hidden folders": 1,
        "template folders": 1,
        "vendored folders": 4,
    }


def test_what_pip_put_into_a_folder_is_vendored(tmp_path: Path) -> None:
    """Whatever the folder is called: notes of pip, or several packages that everybody vendors; one of such a name is the project's own."""
    write(tmp_path, "libs/a-1.dist-info/x.py", "libs/b-2.dist-info/x.py", "libs/c-3.dist-info/x.py", "libs/a/main.py")
    write(tmp_path, "lib3/requests/api.py", "lib3/idna/core.py", "lib3/six.py")
    write(tmp_path, "app/requests/api.py", "app/orders.py")
    assert paths(tmp_path) == ["app/orders.py", "app/requests/api.py"]
    assert discover(tmp_path, wants=lambda _: False).skipped == {"vendored folders": 2}


def test_installed_into_a_folder(tmp_path: Path) -> None:
    """`pip install --target libs` leaves the records of the distributions beside their code; one record alone is a project that is installed."""
    write(
        tmp_path, "app/a.py", "libs/flask/b.py", "libs/flask-3.0.dist-info/METADATA", "libs/six.py", "libs/six-1.17.dist-info/METADATA",
        "own/c.py", "own/own-1.0.dist-info/METADATA",
    )  # fmt: skip
    assert paths(tmp_path) == ["app/a.py", "own/c.py"]


def test_a_domain_called_vendor(tmp_path: Path) -> None:
    """Shops have vendors."""
    write(tmp_path, "shop/__init__.py", "shop/vendor/__init__.py", "shop/vendor/models.py")
    assert "shop/vendor/models.py" in paths(tmp_path)


def test_repositories_inside(tmp_path: Path) -> None:
    """A clone that lies inside is not ours, a submodule is."""
    (tmp_path / ".git").mkdir()
    write(tmp_path, "a.py", "clone/b.py", "libs/sub/c.py")
    (tmp_path / "clone/.git").mkdir()
    (tmp_path / "libs/sub/.git").write_text("gitdir: ../../.git/modules/sub\n")
    (tmp_path / ".gitmodules").write_text('[submodule "sub"]\n\tpath = libs/sub\n')
    tree = discover(tmp_path, wants=lambda _: False)
    assert [file.path for file in tree.files] == ["a.py", "libs/sub/c.py"]
    assert tree.notes == ("clone/ is a repository of its own and was not reviewed",)


def test_exclude_and_roles_from_configuration(tmp_path: Path) -> None:
    """Patterns take paths out; an assigned role holds whatever the place or the content says."""
    write(tmp_path, "app/a.py", "legacy/b.py", "tests/c.py")
    tree = discover(
        tmp_path,
        wants=lambda _: False,
        exclude=(PathPatterns(("legacy/",)),),
        assign=lambda path: Role.PRODUCTION if path.startswith("tests/") else None,
    )
    assert [(file.path, file.role, file.named) for file in tree.files] == [
        ("app/a.py", Role.PRODUCTION, False),
        ("tests/c.py", Role.PRODUCTION, True),
    ]
    assert tree.skipped == {"excluded paths": 1}


# --- named paths -----------------------------------------------------------------------------------------------------


def test_a_named_folder_is_reviewed_whatever_it_is_called(tmp_path: Path) -> None:
    """Examples, tests, vendored code: who names them wants them."""
    write(tmp_path, "app/a.py", "examples/shop/b.py", "examples/other/c.py", "vendor/lib/d.py")
    tree = discover(tmp_path, wants=lambda _: False, named=[tmp_path / "examples/shop", tmp_path / "vendor/lib"])
    assert [(file.path, file.role) for file in tree.files] == [
        ("app/a.py", Role.PRODUCTION),
        ("examples/other/c.py", Role.EXAMPLE),
        ("examples/shop/b.py", Role.PRODUCTION),
        ("vendor/lib/d.py", Role.PRODUCTION),
    ]


def test_a_named_test_file_is_not(tmp_path: Path) -> None:
    """Hooks name every changed file, tests included; a note says so."""
    write(tmp_path, "tests/test_a.py", "examples/b.py")
    tree = discover(tmp_path, wants=lambda _: False, named=[tmp_path / "tests/test_a.py", tmp_path / "examples/b.py"])
    assert [(file.path, file.role) for file in tree.files] == [
        ("examples/b.py", Role.PRODUCTION),
        ("tests/test_a.py", Role.TEST),
    ]
    assert tree.notes == ("tests/test_a.py holds nothing that is reviewed",)


def test_a_named_path_stays_excluded(tmp_path: Path) -> None:
    """Configuration is stronger than a hook's list of files."""
    write(tmp_path, "legacy/a.py")
    tree = discover(
        tmp_path, wants=lambda _: False, named=[tmp_path / "legacy/a.py"], exclude=(PathPatterns(("legacy/",)),)
    )
    assert tree.files == ()
    assert tree.notes == ("legacy/a.py holds nothing that is reviewed",)


# --- where it refuses to go ------------------------------------------------------------------------------------------


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Neither in circles nor out of the project."""
    project, outside = tmp_path / "project", tmp_path / "outside"
    write(project, "app/a.py")
    write(outside, "b.py")
    (project / "app/loop").symlink_to(project)
    (project / "self.py").symlink_to("self.py")
    (project / "alias.py").symlink_to("app/a.py")
    (project / "out").symlink_to(outside)
    (project / "out.py").symlink_to(outside / "b.py")
    tree = discover(project, wants=lambda _: False)
    assert [file.path for file in tree.files] == ["app/a.py"]
    assert tree.notes == (
        "out is a link out of the project and was not followed",
        "out.py is a link out of the project and was not followed",
    )


def test_too_many_files(tmp_path: Path) -> None:
    """The limit is said, not silently kept."""
    write(tmp_path, *(f"{number}.py" for number in range(6)))
    tree = discover(tmp_path, wants=lambda _: False, max_files=4)
    assert [file.path for file in tree.files] == ["0.py", "1.py", "2.py", "3.py"]
    assert [path for path, _ in tree.problems] == ["4.py"]


def test_too_many_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree of endless other files ends the walk, too."""
    monkeypatch.setattr(module, "MAX_ENTRIES", 5)
    write(tmp_path, *(f"a/{number}.txt" for number in range(9)), "b/x.py")
    tree = discover(tmp_path, wants=lambda _: False)
    assert [path for path, _ in tree.problems] == ["a"]


def test_too_deep(tmp_path: Path) -> None:
    """Folders a hundred deep."""
    deep = tmp_path.joinpath(*["d"] * 105)
    deep.mkdir(parents=True)
    (deep / "a.py").write_text("x")
    tree = discover(tmp_path, wants=lambda _: False)
    assert tree.files == ()
    assert [message for _, message in tree.problems] == ["nested more than 100 folders deep: not looked at"]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    """A name in no encoding is found, opened and printable."""
    full = os.fsencode(tmp_path) + b"/caf\xe9.py"
    with open(full, "wb") as stream:  # noqa: PTH123 - the name is bytes
        stream.write(b"x")
    (found,) = discover(tmp_path, wants=lambda _: False).files
    assert found.path == "caf\\xe9.py"
    found.path.encode("utf-8")
    assert os.path.exists(found.full)  # noqa: PTH110 - the name is bytes
