"""Small fleets for the tests: repositories with one commit, a fleet file, and what a store holds afterwards."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pygit2

from roadworthy.fleet.messages import Job, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SHARED = "import requests\n\n\ndef fetch(url):\n    # copied from the platform\n    return requests.get(url).json()\n"
WEB = """import logging

import requests
from fastapi import FastAPI
from shop.http import fetch

app = FastAPI()


@app.get("/x")
def x():
    try:
        return fetch("https://example.org")
    except requests.RequestException:
        logging.exception("not there")
        return {}
"""
SHOP = {"shop/__init__.py": "", "shop/http.py": SHARED, "shop/web.py": WEB}


def commit(folder: Path, files: Mapping[str, str]) -> str:
    """Write files into a repository, made if need be, and commit them; the name of the commit."""
    repository = pygit2.init_repository(folder, initial_head="main")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    repository.index.add_all()
    repository.index.write()
    who = pygit2.Signature("a", "a@example.org", 1, 0)
    parents = [] if repository.head_is_unborn else [repository.head.target]
    return str(repository.create_commit("HEAD", who, who, "m", repository.index.write_tree(), parents))


def fleet_file(folder: Path, sources: Sequence[str], more: str = "") -> Path:
    """A fleet file beside its repositories; `more` comes before them."""
    file = folder / "fleet.toml"
    parts = [f'name = "demo"\n{more}\n']
    parts += [f'[[repositories]]\nsource = "{source}"\nowners = ["team-{source[0]}"]\n' for source in sources]
    file.write_text("\n".join(parts))
    return file


def jobs(*names: str) -> dict[str, Job]:
    """Work for a store that nobody does."""
    return {name: Job(source=f"/nowhere/{name}", limits=Limits()) for name in names}


def rows(place: Path | str, question: str) -> list[tuple[object, ...]]:
    """Ask the database itself."""
    if isinstance(place, str):
        import psycopg

        with psycopg.connect(place) as server:
            return server.execute(question.encode()).fetchall()
    with closing(sqlite3.connect(place)) as connection:
        return connection.execute(question).fetchall()


def states(place: Path | str, run: int = 1) -> dict[str, tuple[str, str]]:
    """State and kind of failure by repository."""
    found = rows(place, f"SELECT repository, state, kind FROM tasks WHERE run = {run}")
    return {str(name): (str(state), str(kind)) for name, state, kind in found}
