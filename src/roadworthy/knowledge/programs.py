"""Programs that start Python code, as data: `programs.toml` beside this file."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from roadworthy.knowledge.schema import Row

Kind = Literal["server", "worker", "scheduler", "oneshot", "manager", "other", "unknown"]
"""server: answers requests; worker: takes jobs or messages; scheduler: starts jobs on time; oneshot: ends by itself;
manager: starts and supervises others; other: long-running and not Python; unknown: nothing is known of it."""

Passes = Literal["exec", "child", "group", "no", "unknown"]
"""What a stop signal does to the program that a wrapper starts. exec: the wrapper has become that program; child: it is
passed on to it; group: to it and all that it started; no: it is not passed on."""


class WrapperRow(Row, frozen=True, kw_only=True):
    """A program that starts the program named behind it."""

    names: tuple[str, ...]
    subcommand: tuple[str, ...] = ()  # it wraps only behind one of these words (`poetry run`)
    takes: tuple[str, ...] = ()  # options with a value of their own
    positionals: int = 0  # words before the command that are not options
    assignments: bool = False  # `NAME=value` words come first
    ends_at: str = ""  # ends the options, where it is given
    needs_end: bool = False  # nothing is started without `ends_at`, which may stand behind other words
    passes: Passes
    group_options: tuple[str, ...] = ()  # with one of these the whole group gets the signal
    child_options: tuple[str, ...] = ()  # with one of these only the child does
    init: bool = False  # made to be process 1 of a container
    source: str = ""
    example: str  # a command line and, behind `=>`, what it starts
    note: str = ""


class InterpreterRow(Row, frozen=True, kw_only=True):
    """A Python interpreter: what it runs stands behind its options, or behind `-m`."""

    names: tuple[str, ...]
    takes: tuple[str, ...] = ()
    text: str = "-c"  # option for program text
    module: str = "-m"


class SubcommandRow(Row, frozen=True, kw_only=True):
    """What a program does with a certain first word."""

    names: tuple[str, ...]  # fnmatch
    kind: Kind
    takes: tuple[str, ...] = ()
    target_position: int | None = None  # of the words behind the subcommand
    development: bool = False


class ProgramRow(Row, frozen=True, kw_only=True):
    """A program, by the names of its command and its module."""

    names: tuple[str, ...]
    kind: Kind = "unknown"
    subcommand: tuple[SubcommandRow, ...] = ()
    takes: tuple[str, ...] = ()  # options with a value
    aliases: dict[str, str] = msgspec.field(default_factory=dict)  # short option -> long option
    target_options: tuple[str, ...] = ()  # the value names the application
    target_position: int | None = None  # the application is this word that is no option
    grace_option: str = ""  # sets how many seconds work in flight gets after a stop signal
    grace_default: float | Literal["forever"] | None = None
    request_limit: str = ""  # kills the worker of a request that takes so many seconds
    request_limit_default: float | None = None
    request_limit_unless: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Options with which workers live on while a request waits: option -> values that change nothing."""
    request_limit_setting: str = ""  # the same in a configuration file
    needs_to_stop: tuple[str, ...] = ()  # a stop signal ends it only with one of these options
    stops_gently_with: str = ""  # what to write on its command line, so that it ends and what is in hand is finished
    config_options: tuple[str, ...] = ()  # options that name a file in which any option may stand
    development: bool = False  # not meant for production
    source: str = ""
    example: str  # a command line and, behind `=>`, kind and target
    note: str = ""


class FileNameRow(Row, frozen=True, kw_only=True):
    """What a Python file or module of the project itself probably is, by its name."""

    names: tuple[str, ...]  # fnmatch, of the file name without `.py` or the last part of the module
    kind: Kind


class ShellRow(Row, frozen=True, kw_only=True):
    """Whether a shell replaces itself by the last command of a `-c` text."""

    names: tuple[str, ...]
    replaces_itself: bool
    source: str = ""


class ImageRow(Row, frozen=True, kw_only=True):
    """Which shell `sh` is in a base image."""

    contains: tuple[str, ...]  # in order: the first row of which a text occurs in the image's name decides
    sh: str


class ProgramFile(Row, frozen=True, kw_only=True):
    """The whole of `programs.toml`."""

    noise: tuple[str, ...] = ()  # commands of scripts that never matter here
    remote: tuple[str, ...] = ()  # programs that talk to another machine
    limiting: tuple[str, ...] = ()  # programs that end the one behind them after a while
    nearby: tuple[str, ...] = ()  # what some of those do without one: `git show`
    instant: tuple[str, ...] = ()  # programs that look at this machine, or change one thing of it, and end
    development_options: tuple[str, ...] = ()
    help_options: tuple[str, ...] = ()  # with one of these every program ends at once
    wrapper: tuple[WrapperRow, ...] = ()
    interpreter: tuple[InterpreterRow, ...] = ()
    program: tuple[ProgramRow, ...] = ()
    file_name: tuple[FileNameRow, ...] = ()
    shell: tuple[ShellRow, ...] = ()
    image: tuple[ImageRow, ...] = ()


@dataclass(frozen=True)
class Programs:
    """The rows, found by name."""

    rows: ProgramFile
    wrappers: dict[str, tuple[WrapperRow, ...]]
    programs: dict[str, ProgramRow]
    interpreters: dict[str, InterpreterRow]

    def interpreter(self, name: str) -> InterpreterRow | None:
        """The interpreter of this name; versions are ignored (`python3.12`)."""
        return self.interpreters.get(name) or self.interpreters.get(name.rstrip("0123456789."))

    def file_kind(self, name: str) -> Kind:
        """What a file of the project probably is."""
        for row in self.rows.file_name:
            if any(fnmatch.fnmatchcase(name.lower(), pattern) for pattern in row.names):
                return row.kind
        return "unknown"

    def shell_of(self, image: str) -> str:
        """The shell that `sh` is in an image, or ""."""
        for row in self.rows.image:
            if any(text in image.lower() for text in row.contains):
                return row.sh
        return ""

    def replaces_itself(self, shell: str) -> bool | None:
        """Does this shell become the last command of its text? None when it is not known."""
        return next((row.replaces_itself for row in self.rows.shell if shell in row.names), None)


def parse_programs(text: bytes) -> Programs:
    """Read a program file; unknown keys and words are errors."""
    rows = msgspec.toml.decode(text, type=ProgramFile)
    wrappers: dict[str, tuple[WrapperRow, ...]] = {}
    for wrapper in rows.wrapper:
        for name in wrapper.names:
            wrappers[name] = (*wrappers.get(name, ()), wrapper)
    return Programs(
        rows=rows,
        wrappers=wrappers,
        programs={name: row for row in rows.program for name in row.names},
        interpreters={name: row for row in rows.interpreter for name in row.names},
    )


@cache
def load_programs() -> Programs:
    """The programs that roadworthy knows."""
    return parse_programs(resources.files("roadworthy.knowledge").joinpath("programs.toml").read_bytes())
