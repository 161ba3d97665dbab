"""What a command line starts: wrappers stripped, the program recognised. Names come from `knowledge/programs.toml`."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roadworthy.knowledge.programs import load_programs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from roadworthy.knowledge.programs import (
        InterpreterRow,
        Kind,
        Passes,
        ProgramRow,
        Programs,
        SubcommandRow,
        WrapperRow,
    )

HOLE = "$…"
MAX_WRAPPERS = 12

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_APPLICATION = re.compile(r"[A-Za-z_][\w.]*:[\w.]+(?:\(.*\))?")
_CONFIG_FILE = re.compile(r".*\.(?:ini|ya?ml|xml|json|conf|toml)")


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A wrapper around the program."""

    name: str
    passes: Passes
    init: bool = False


_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a command line starts."""

    words: tuple[str, ...]  # wrappers and interpreter stripped
    name: str  # the program or the Python file or module
    kind: Kind
    sure: bool  # False: judged by the name of a file of the project
    target: str = ""  # the application or module that it names
    options: tuple[tuple[str, str], ...] = ()  # long names where known; a flag has the value ""
    wrappers: tuple[Wrapped, ...] = ()
    row: ProgramRow | None = None
    development: bool = False

    def option(self, name: str) -> str | None:
        """The last value of an option, "" for a flag, None when it is not given."""
        return next((value for key, value in reversed(self.options) if key == name), None)

    @property
    def drain(self) -> tuple[str, float, bool] | None:
        """(option, seconds, given) that the program itself lets work in flight have after a stop signal; None: unknown or without end."""
        row = self.row
        if row is None or not row.grace_option:
            return None
        given = self.option(row.grace_option)
        if given is not None:
            return (row.grace_option, float(given), True) if _NUMBER.fullmatch(given) else None
        configured = any(self.option(name) is not None for name in row.config_options)
        if configured or not isinstance(row.grace_default, int | float):
            return None
        return row.grace_option, float(row.grace_default), False

    @property
    def request_limit(self) -> float | None:
        """Seconds after which the program kills the worker of a request that goes on; None: unknown or never."""
        row = self.row
        if row is None or not row.request_limit:
            return None
        if any(
            (value := self.option(name)) is not None and value not in same
            for name, same in row.request_limit_unless.items()
        ):
            return None
        given = self.option(row.request_limit)
        if given is not None:
            return float(given) if _NUMBER.fullmatch(given) and float(given) else None
        configured = any(self.option(name) is not None for name in row.config_options)
        return None if configured else row.request_limit_default

    @property
    def needs_option_to_stop(self) -> tuple[str, ...]:
        """Options of which one is missing for a stop signal to end the program; empty when all is well or unknown."""
        row = self.row
        if row is None or not row.needs_to_stop or any(self.option(name) is not None for name in row.needs_to_stop):
            return ()
        configured = any(self.option(name) is not None for name in row.config_options)
        return () if configured or any(_CONFIG_FILE.fullmatch(w) for w in self.words[1:]) else row.needs_to_stop


def program(argv: Sequence[str], programs: Programs | None = None) -> tuple[str, ...]:
    """The words of what is really started: `tini -- poetry run python -m gunicorn app` is `gunicorn app`."""
    return unwrap(argv, programs or load_programs())[0]


def unwrap(argv: Sequence[str], programs: Programs) -> tuple[tuple[str, ...], tuple[Wrapped, ...], bool]:
    """The words of the program, the wrappers around it from outside in, and whether Python runs it."""
    words = tuple(argv)
    wrappers: list[Wrapped] = []
    python = False
    for _ in range(MAX_WRAPPERS):
        words = _without_assignments(words)
        if not words:
            break
        name = _name(words[0])
        interpreter = programs.interpreter(name)
        if interpreter is not None or words[0] == "-m":
            inner = _interpreted(words, interpreter)
            if inner is None:
                break
            words, python = inner, True
            continue
        step = next(filter(None, (_wrapped(words, row) for row in programs.wrappers.get(name, ()))), None)
        if step is None:
            break
        words = step[0]
        wrappers.append(step[1])
    return words, tuple(wrappers), python


def _without_assignments(words: tuple[str, ...]) -> tuple[str, ...]:
    at = 0
    while at < len(words) and _ASSIGNMENT.match(words[at]):
        at += 1
    return words[at:]


def _interpreted(words: tuple[str, ...], row: InterpreterRow | None) -> tuple[str, ...] | None:
    """The module or file that an interpreter runs; None for program text, a console or a version question."""
    at = 0 if row is None else 1
    takes = row.takes if row else ()
    while at < len(words) and words[at].startswith("-"):
        if words[at] == "-m" or (words[at].endswith("m") and re.fullmatch(r"-[a-zA-Z]+", words[at])):
            return words[at + 1 :] or None
        if words[at].startswith("-c") or words[at] == "-":
            return None
        at += 2 if words[at] in takes else 1
    return words[at:] or None


def _wrapped(words: tuple[str, ...], row: WrapperRow) -> tuple[tuple[str, ...], Wrapped] | None:
    """The words behind a wrapper, or None when it does not wrap here."""
    at, options = _skip_options(words, 1, row)
    if row.subcommand:
        if at < len(words) and words[at] in row.subcommand:
            at, more = _skip_options(words, at + 1, row)
            options += more
        elif "" not in row.subcommand:
            return None
    if row.needs_end:
        if row.ends_at not in words:
            return None
        at = words.index(row.ends_at) + 1
    elif row.ends_at and at < len(words) and words[at] == row.ends_at:
        at += 1
    at += row.positionals
    passes = row.passes
    if any(option in options for option in row.group_options):
        passes = "group"
    elif any(option in options for option in row.child_options):
        passes = "child"
    return words[at:], Wrapped(_name(words[0]), passes, row.init)


def _skip_options(words: tuple[str, ...], at: int, row: WrapperRow) -> tuple[int, list[str]]:
    options: list[str] = []
    while at < len(words):
        word = words[at]
        if word == row.ends_at or (word == "-m" and "-m" not in row.takes):
            break
        if word.startswith("-") and len(word) > 1:
            options.append(word.partition("=")[0])
            at += 2 if word in row.takes else 1
        elif row.assignments and _ASSIGNMENT.match(word):
            at += 1
        else:
            break
    return at, options


def recognise(argv: Sequence[str], programs: Programs, own_scripts: Mapping[str, str] | None = None) -> Recognised:
    """What a command line starts. `own_scripts`: console scripts of the project and the function that each calls."""
    words, wrappers, python = unwrap(argv, programs)
    if not words or words[0] == HOLE or words[0].startswith("-"):
        return Recognised(words, "", "unknown", sure=False, wrappers=wrappers)
    name = _name(words[0])
    if len(words) == 1 and programs.interpreter(name) is not None:
        return Recognised(words, name, "oneshot", sure=True, wrappers=wrappers)  # reads its program from the input
    row = programs.programs.get(words[0]) or programs.programs.get(name) or _by_package(words[0], python, programs)
    if row is not None:
        return _parsed(words, name, row, wrappers, programs)
    inner = _behind_unknown(words, programs) if not python else None
    if inner is not None:
        return replace(inner, wrappers=(*wrappers, Wrapped(name, "unknown"), *inner.wrappers))
    scripts = own_scripts or {}
    if not python and not name.endswith(".py") and name not in scripts:
        return Recognised(words, name, "unknown", sure=False, wrappers=wrappers)
    options, positionals = _options(words[1:], frozenset(), {})
    kind = programs.file_kind(_stem(name))
    if kind == "unknown" or name in scripts:
        kinds = (programs.file_kind(word) for word in positionals[:2])
        kind = next((k for k in kinds if k != "unknown"), kind)
    return Recognised(
        words,
        name,
        kind,
        sure=False,
        target=scripts.get(name, words[0]),
        options=options,
        wrappers=wrappers,
        development=_is_development(options, programs),
    )


def _behind_unknown(words: tuple[str, ...], programs: Programs) -> Recognised | None:
    """`bin/start-worker celery -A proj worker`: a script that is not at hand, in front of a known program."""
    if "/" not in words[0] and not words[0].endswith(".sh"):
        return None
    for at in range(1, min(len(words), 8)):
        if words[at] in programs.programs or words[at] in programs.wrappers or programs.interpreter(words[at]):
            found = recognise(words[at:], programs)
            if found.kind in ("server", "worker", "scheduler") and found.sure:
                return found
    return None


def _parsed(
    words: tuple[str, ...], name: str, row: ProgramRow, wrappers: tuple[Wrapped, ...], programs: Programs
) -> Recognised:
    takes = frozenset(row.takes).union(*(sub.takes for sub in row.subcommand))
    options, positionals = _options(words[1:], takes, row.aliases)
    sub = _subcommand(positionals, row)
    values = dict(options)
    target = next((values[option] for option in row.target_options if values.get(option)), "")
    if not target and sub is not None and sub.target_position is not None:
        target = _application(positionals[1:], sub.target_position)
    elif not target and sub is None and row.target_position is not None:
        target = _application(positionals, row.target_position)
    kind: Kind = sub.kind if sub else row.kind
    if any(option in programs.rows.help_options for option, _ in options):
        kind = "oneshot"
    return Recognised(
        words,
        name,
        kind,
        sure=kind != "unknown",
        target=target,
        options=options,
        wrappers=wrappers,
        row=row,
        development=row.development or bool(sub and sub.development) or _is_development(options, programs),
    )


def _subcommand(positionals: list[str], row: ProgramRow) -> SubcommandRow | None:
    if not positionals:
        return None
    for sub in row.subcommand:
        if any(fnmatch.fnmatchcase(positionals[0], pattern) for pattern in sub.names):
            return sub
    return None


def _application(positionals: list[str], position: int) -> str:
    """`module:attribute` where one is given, else the word at the position."""
    named = next((word for word in positionals if _APPLICATION.fullmatch(word)), None)
    if named is not None:
        return named
    return positionals[position] if position < len(positionals) and positionals[position] != HOLE else ""


def _options(
    words: Sequence[str], takes: frozenset[str], aliases: Mapping[str, str]
) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    options: list[tuple[str, str]] = []
    positionals: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("-") or word in ("-", "--"):
            positionals.append(word)
            continue
        name, equals, value = word.partition("=")
        if not equals and name in takes and at < len(words):
            value = words[at]
            at += 1
        elif not equals and not name.startswith("--") and name[:2] in takes and len(name) > 2 and name not in takes:
            name, value = name[:2], name[2:]
        options.append((aliases.get(name, name), value))
    return tuple(options), positionals


def _by_package(word: str, python: bool, programs: Programs) -> ProgramRow | None:
    """`python -m uvicorn.main` is uvicorn."""
    package, _, rest = word.partition(".")
    if python and rest in ("main", "__main__", "cli", "cli.main", "worker", "bin"):
        return programs.programs.get(package)
    return None


def _is_development(options: Sequence[tuple[str, str]], programs: Programs) -> bool:
    return any(name in programs.rows.development_options and value in ("", "true", "1") for name, value in options)


def _name(word: str) -> str:
    return word.rpartition("/")[2]


def _stem(name: str) -> str:
    """`run_worker` of `run_worker.py`, of `scripts/run_worker.py` and of `proj.run_worker`."""
    return name.removesuffix(".py").rpartition(".")[2]
