"""The command `review` with the fake stages, as a program: `cli_driver.py [--slow|--crawl|--broken] PATH [name=value…]`."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from engine_fakes import CrashingRule, info, python, stages
from roadworthy.faces.guard import Finished, guarded
from roadworthy.faces.reviewing import Request, perform

if TYPE_CHECKING:
    from roadworthy.engine import Stages
    from roadworthy.facts.schema import FileFacts


def slow(path: str, data: bytes) -> FileFacts:
    """Take a minute over each file, and say so."""
    Path(os.environ["STARTED"]).touch()
    time.sleep(60)
    return python(path, data)


def crawl(path: str, data: bytes) -> FileFacts:
    """Take a moment over each file."""
    time.sleep(0.05)
    return python(path, data)


def chosen(words: list[str]) -> Stages:
    """The stages that the words ask for."""
    if "--crawl" in words:
        return replace(stages(), python=crawl)
    if "--slow" in words:
        return replace(stages(), python=slow)
    if "--broken" in words:
        return stages(CrashingRule(info("bad-rule")))
    return stages()


@guarded
def run(words: list[str]) -> None:
    """Review."""
    values = dict(word.split("=", 1) for word in words if "=" in word)
    paths = tuple(Path(word) for word in words if "=" not in word and not word.startswith("--"))
    request = Request(
        paths,
        area=values.get("area", ""),
        format=values.get("format", ""),
        outputs=tuple(Path(name) for name in values.get("output", "").split(",") if name),
        fail_on=values.get("fail_on", ""),
        pedantic="--pedantic" in words,
        jobs=int(values.get("jobs", "1")),
        no_cache=True,
    )
    raise Finished(perform(request, chosen(words)))


if __name__ == "__main__":
    try:
        run(sys.argv[1:])
    except typer.Exit as end:
        sys.exit(end.exit_code)
