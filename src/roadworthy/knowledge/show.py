"""What we believe of a library, as text for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.schema import (
    Argument,
    CallRow,
    EntryRow,
    GuardRow,
    Retry,
    SchemaRow,
    SpawnerRow,
    Timeout,
    WeakRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.knowledge.schema import ExceptionRow, Library, Seconds, TypeRow
    from roadworthy.knowledge.validate import NamedRow

_WIDTH = 118


def show_library(knowledge: Knowledge, name: str) -> str:
    """The library's files as readable text; for an unknown name, the nearest ones we know."""
    found = [library for library in knowledge.libraries if _is_called(library, name)]
    if not found:
        one = knowledge.library(name) or knowledge.library_of(name)
        found = [one] if one is not None else []
    if not found:
        return f"No library file speaks of {name!r}.{_nearest(knowledge, name)}\n"
    return "\n".join(_library(library) for library in found)


def _is_called(library: Library, name: str) -> bool:
    return name == library.library or name in library.distributions or name in library.modules


def _nearest(knowledge: Knowledge, name: str) -> str:
    known = sorted({library.library for library in knowledge.libraries})
    near = [one for one in known if name.lower() in one.lower() or one.lower() in name.lower()]
    return f" Similar: {', '.join(near[:8])}." if near else f" Known: {len(known)} libraries."


def _library(library: Library) -> str:
    head = library.library + (f" {library.checked_version}" if library.checked_version else "")
    lines = [
        f"{head} ({', '.join(library.role)})",
        f"  modules   {', '.join(library.modules)}",
        f"  checked   {library.checked.isoformat()}  {library.docs}",
    ]
    sections: tuple[tuple[str, Iterable[Iterable[str]]], ...] = (
        ("Calls", (_row(row, _call_facts(row)) for row in library.call)),
        ("Protections", (_row(row, _guard_facts(row)) for row in library.guard)),
        ("Runs other functions", (_row(row, _spawner_facts(row)) for row in library.spawner)),
        ("Entry points", (_row(row, _entry_facts(row)) for row in library.entry)),
        ("Database schema", (_row(row, _schema_facts(row)) for row in library.schema)),
        ("Weak settings", (_row(row, _weak_facts(row)) for row in library.weak)),
        ("Types", (_type(row) for row in library.type)),
        ("Exceptions", (_exception(row) for row in library.exception)),
    )
    for title, rows in sections:
        body = [line for row in rows for line in row]
        if body:
            lines += ["", f"  {title}", *body]
    return "\n".join(lines) + "\n"


def _row(row: NamedRow, facts: Iterable[str]) -> Iterator[str]:
    yield from _wrapped("    ", ", ".join(row.names))
    for fact in facts:
        yield from _wrapped("        ", fact)
    if isinstance(row, CallRow | GuardRow | EntryRow) and row.note:
        yield from _wrapped("        ", f"note: {row.note}")
    if row.source:
        yield from _wrapped("        ", f"source: {row.source}")


def _call_facts(row: CallRow) -> Iterator[str]:
    words = list(row.effects)
    words += ["awaitable"] if row.awaitable else []
    words += ["blocks the thread"] if row.blocking else []
    words += ["lazy"] if row.lazy else []
    words += ["secondary"] if row.secondary else []
    words += ["never raises"] if row.never_raises else []
    words += ["transient"] if row.transient else []
    if words:
        yield ", ".join(words)
    conditions = [f"{place} is {value}" for place, value in row.when.items()]
    conditions += [f"{place} is passed" for place in row.needs]
    conditions += [f"version {row.version}"] if row.version else []
    if conditions:
        yield f"only when {', '.join(conditions)}"
    if row.timeout is not None:
        yield _timeout(row.timeout)
    if row.retry is not None:
        yield _retry(row.retry)
    if row.safe_to_repeat is not None:
        yield f"safe to repeat: {row.safe_to_repeat}"
    if row.key is not None:
        yield f"safe with {_argument(row.key)}"
    if row.raises:
        yield f"raises {', '.join(row.raises)}"
    if row.returns or row.yields:
        yield f"gives {row.returns or row.yields}"
    if row.missing:
        yield f"raises {row.missing} where there is no such row"
    if row.invalid:
        yield f"raises {row.invalid} where what it is given is not as it should be"
    if row.result_tells:
        yield f"the result must be read: {row.result_tells}"


def _timeout(timeout: Timeout) -> str:
    names = [name for name in (timeout.argument, *timeout.arguments) if name]
    where = {"call": "at the call", "constructor": "at the constructor", "either": "at the call or the constructor"}[
        timeout.via
    ]
    if timeout.config:
        where = f"in {timeout.config} {where}"
    argument = f"{', '.join(names)} ({timeout.unit}) {where}" if names else "no argument"
    limits = [
        f"{word} = {_seconds(value)}"
        for word, value in (("absent", timeout.absent), ("None", timeout.none), ("0", timeout.zero))
        if value is not None
    ]
    parts = [
        f"timeout: {argument}",
        *limits,
        *([f"also {', '.join(timeout.environment)}"] if timeout.environment else []),
    ]
    return "; ".join([*parts, timeout.note] if timeout.note else parts)


def _seconds(value: Seconds) -> str:
    return "for ever" if value == "forever" else f"{value:g} s"


def _retry(retry: Retry) -> str:
    parts = [f"sent {'for ever' if retry.attempts == 'forever' else f'{retry.attempts} time(s)'} by itself"]
    parts += [f"on {', '.join(retry.on)}"] if retry.on else []
    parts += ["writes too"] if retry.writes else []
    parts += ["with a stable key"] if retry.key else []
    parts += [f"set by {retry.argument or retry.config}"] if retry.argument or retry.config else []
    return "; ".join([*parts, retry.note] if retry.note else parts)


def _guard_facts(row: GuardRow) -> Iterator[str]:
    yield f"{row.kind} ({', '.join(row.form)})"
    if row.attempts is not None or row.attempts_absent is not None:
        given = f"{_argument(row.attempts)}; " if row.attempts is not None else ""
        yield f"attempts: {given}absent = {row.attempts_absent if row.attempts_absent is not None else 'unknown'}"
    if row.retries_on is not None:
        yield f"on {_argument(row.retries_on)}"
    if row.seconds is not None:
        yield f"seconds: {_argument(row.seconds)}"


def _spawner_facts(row: SpawnerRow) -> Iterator[str]:
    what = "its receiver" if row.receiver else _argument(row.runs)
    yield f"runs {what} as {row.hook or row.kind}" + (", and waits for it" if row.waits else "")


def _entry_facts(row: EntryRow) -> Iterator[str]:
    yield f"{row.kind} ({row.form})" + (f", {row.delivery}" if row.delivery else "")
    if row.attempts != 1:
        yield f"attempts: {row.attempts}"
    if row.acks:
        yield f"acknowledged {row.acks} the work"


def _weak_facts(row: WeakRow) -> Iterator[str]:
    weak = " or ".join(row.values) if row.values else f"text like {row.text}"
    yield f"{_argument(row.setting)}: {weak} waits for {row.waits_for}; write {row.strong}"


def _schema_facts(row: SchemaRow) -> Iterator[str]:
    yield row.construct


def _type(row: TypeRow) -> Iterator[str]:
    text = row.name + (f"({', '.join(row.bases)})" if row.bases else "")
    marks = [
        word
        for word, is_set in (
            ("buffers", row.buffers),
            ("works in the background", row.runs_in_background),
            ("keeps what failed to itself", row.keeps_failure),
            ("lends connections", row.lends),
        )
        if is_set
    ]
    marks += [f"closed by {', '.join(row.closes)}"] if row.closes else []
    marks += ["closes itself"] if row.self_closing else []
    marks += [f"sets in vain: {', '.join(row.unread)}"] if row.unread else []
    marks += [f"always given: {', '.join(row.always_given)}"] if row.always_given else []
    marks += [f"told by: {', '.join(row.told_by)}"] if row.told_by else []
    marks += [f"usually called: {', '.join(row.called)}"] if row.called else []
    marks += ["false after an error"] if row.false_after_error else []
    yield from _wrapped("    ", f"{text}: {'; '.join(marks)}" if marks else text)


def _exception(row: ExceptionRow) -> Iterator[str]:
    yield from _wrapped(
        "    ", f"{row.name}({', '.join(row.bases)}): {row.nature}{', refusals too' if row.refusals else ''}"
    )


def _argument(argument: Argument) -> str:
    place = argument.argument or (
        f"argument {argument.position + 1}" if argument.position is not None else "an argument"
    )
    return f"{place}[{argument.contains!r}]" if argument.contains else place


def _wrapped(indent: str, text: str) -> Sequence[str]:
    """Lines of at most `_WIDTH` characters; continuation lines are indented by four more."""
    lines: list[str] = []
    line = indent
    for word in text.split():
        if len(line) + len(word) + 1 > _WIDTH and line.strip():
            lines.append(line)
            line = f"{indent}    {word}"
        else:
            line = f"{line} {word}" if line.strip() else f"{line}{word}"
    return [*lines, line]
