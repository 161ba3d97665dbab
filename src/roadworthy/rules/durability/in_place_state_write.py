"""A state file is rewritten in place.

## Why it fails in production
Opening a file for writing empties it first. A crash, a full disk or a deploy between that moment and the last byte leaves half a file
where the state was, and whoever reads it meanwhile sees the half. The old state is gone in either case.

## What is reported
A file that the project reads back, or a settings file of another program, that is opened for writing or written as a whole in place.
A file that is fetched under its final name, only where `exists()` does not find it: the half one of a broken run counts as whole.
A write-then-rename scheme that syncs the descriptor while data still sits in the file object's buffer.

## What is not reported
Files written beside the old one and renamed over it. Appending. Outputs, exports, downloads, logs, caches and temporary files.
Files that a command or a script writes where its user says. Files in a folder that was just made, or under a name by chance or by the second.
Source files that a script or a command edits. Files that the same run reads back after it has written them, that are only touched,
or that are made again when they cannot be read.

## Bad
```python
import json

STATE = "/var/lib/app/cursor.json"

def load() -> dict:
    with open(STATE) as file:
        return json.load(file)

def save(state: dict) -> None:
    with open(STATE, "w") as file:  # finding: in-place-state-write
        json.dump(state, file)
```

## Good
```python
import json
import os
import tempfile

STATE = "/var/lib/app/cursor.json"

def load() -> dict:
    with open(STATE) as file:
        return json.load(file)

def save(state: dict) -> None:
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(STATE), delete=False) as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, STATE)
```
"""

import re
from collections import defaultdict

from roadworthy.rules.api import (
    CallSite,
    Effect,
    EntryKind,
    Exposure,
    FileAccess,
    Finding,
    Function,
    Iterator,
    Model,
    Rule,
    Severity,
    advise,
    asked_before,
    early_syncs,
    expr,
    fetched_from,
    file_accesses,
    finding,
    flow,
    is_made_again,
    is_made_anew,
    is_named_by_user,
    is_source,
    read_back,
    replaces,
    say,
    taken_for_whole,
)

RULE = Rule(id="in-place-state-write", anti_pattern="non-atomic-write", doc=__doc__)


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Files that are written in place and read back, then schemes that sync too early."""
    reads: dict[str, list[FileAccess]] = defaultdict(list)
    for read in file_accesses(model, Effect.FILE_READ):
        for key in read.keys:
            reads[key].append(read)
    seen: set[CallSite] = set()
    found: dict[tuple[Function, str], list[tuple[FileAccess, FileAccess | None]]] = {}
    for written in file_accesses(model, Effect.FILE_WRITE):
        asks = taken_for_whole(model, written) if written.site not in seen else None
        if asks is not None and not replaces(model, written.function):
            seen.add(written.site)
            yield _report_half(written, asks, model)
            continue
        if (
            written.site in seen
            or written.is_passing
            or written.is_download
            or replaces(model, written.function)
            or is_given_by_user(written, model)
            or is_under_version_control(written, model)
            or is_made_anew(model, written)
        ):
            continue
        back = read_back(model, written, reads)
        if back is not None and is_made_again(written, back):
            continue
        if back is not None or (written.is_settings_file and not model.is_script(written.site.path)):
            seen.add(written.site)
            found.setdefault((written.function, written.text), []).append((written, back))
    for alike in found.values():
        yield _report(*alike[0], [written.site for written, _ in alike[1:]], model)
    for site, handle in early_syncs(model):
        yield _report_sync(site, handle, model)


def is_given_by_user(written: FileAccess, model: Model) -> bool:
    """A command that writes where it was told to: its user sees the result. Not the file of the program's own name in its usual folder."""
    exposure = model.exposure(written.function)
    return is_named_by_user(written) or (
        exposure.only_commands
        and (bool(model.entries.at(written.function)) or not written.is_in_usual_folder)
        and any(o.kind == "argument" for o in model.origin(written.target, written.function, written.site.fact.order))
    )


def is_under_version_control(written: FileAccess, model: Model) -> bool:
    """A script that edits `pyproject.toml`: whoever runs it has the older state at hand."""
    watched = model.is_script(written.site.path) or model.exposure(written.function).only_commands
    return watched and is_source(written)


def _severity(exposure: Exposure) -> Severity:
    """A person sees what becomes of a command; a stop is just when the process may be killed."""
    watched = exposure.only_commands and not exposure.of_kind(EntryKind.SHUTDOWN)
    return Severity.LOW if watched else Severity.MEDIUM


def _report(written: FileAccess, back: FileAccess | None, again: list[CallSite], model: Model) -> Finding:
    exposure = model.exposure(written.function)
    call = say.call(written.site, model).removeprefix(f"{written.text}.")
    who = f"`{written.function.qualname}()`"
    if back is not None and back.function is written.function:  # lines are changed in a file
        reads, reader = "the only copy of what is in it", f"{who}, run again,"
        issue = f"{who} reads `{written.text}`, empties it and writes it anew: until the end of that what was in it is in memory only."
    else:
        reader = (
            f"`{back.function.qualname}()`" if back is not None and back.function.kind == "function" else "a reader"
        )
        reads = (
            f"and `{back.function.qualname}()` reads it back" if back is not None else "and another program reads it"
        )
        issue = f"{who} empties `{written.text}` and writes it anew; {reads.removeprefix('and ')}."
    related = [model.place(back.site, "reads it back")] if back is not None else []
    related += [model.place(site, "rewrites it too") for site in again]
    return finding(
        RULE,
        model.place(written.site),
        _severity(exposure),
        title=say.fit(
            f"`{call}` rewrites `{written.text}` in place, {reads}",
            f"`{written.text}` is rewritten in place, {reads}",
            f"`{written.text}` is rewritten in place, and read back",
        ),
        issue=issue,
        impact=_impact(say.entry(exposure.worst, written.function), reader, written, model),
        fix=advise.atomic_write(model, written.function, written.text, written.site),
        related=related,
        steps=model.steps(exposure.worst, written.function, written.site),
        confidence=model.confidence_of(written.effect),
        subject=written.text,
    )


_DIGEST = re.compile(r"(^|_)(sha\d*|md5|digest|hash|checksum|etag)(_|\d|$)", re.IGNORECASE)


def is_named_by_content(written: FileAccess) -> bool:
    """A file whose name is the digest of what is in it: there is no older state of it."""
    parts = flow.walk(written.target) if written.target is not None else ()
    calls = [written.function.scope.calls[part.index] for part in parts if isinstance(part, expr.CallRef)]
    names = [part for call in calls for arg in call.args for part in flow.walk(arg)]
    return any(isinstance(part, expr.Name) and _DIGEST.search(part.id) for part in (*names, *flow.walk(written.target)))


def _impact(who: str, reader: str, written: FileAccess, model: Model) -> str:
    cut = f"A crash, a full disk or a deploy while {who} writes leaves an empty or half file"
    if is_named_by_content(written) or asked_before(written) is not None:  # there is no older state of it
        return f"{cut} under the name of the whole content: {reader} finds that from then on, until somebody writes it once more."
    if fetched_from(model, written) is not None:
        return f"{cut}: {reader} takes the half for the whole, until it is fetched again."
    return f"{cut}: the old state is gone, and {reader} takes the half for the whole."


def _report_half(written: FileAccess, asks: CallSite, model: Model) -> Finding:
    exposure = model.exposure(written.function)
    call, question = say.call(written.site, model), say.call(asks, model)
    return finding(
        RULE,
        model.place(written.site),
        _severity(exposure),
        title=say.fit(
            f"`{call}` fills `{written.text}` in place, and its being there counts as whole",
            f"`{call}` fills in place a file whose being there counts as whole",
        ),
        issue=f"`{written.function.qualname}()` fetches `{written.text}` only when `{question}` (line {asks.line}) does not find it, and writes it under its final name.",
        impact=f"When the connection breaks or the process dies while {say.entry(exposure.worst, written.function)} fetches, the half file stays; every later run "
        "finds it, takes it for whole and fails on it until somebody deletes it.",
        fix=advise.atomic_write(model, written.function, written.text, written.site),
        related=[model.place(asks, "asks whether it is there")],
        steps=model.steps(exposure.worst, written.function, written.site),
        confidence=model.confidence_of(written.effect),
        subject=written.text,
    )


def _report_sync(site: CallSite, handle: str, model: Model) -> Finding:
    exposure = model.exposure(site.function)
    return finding(
        RULE,
        model.place(site),
        Severity.MEDIUM,
        title=f"`{say.call(site, model)}` syncs `{handle}` before its buffer is flushed",
        issue=f"What `{handle}` still holds in its own buffer is not in the file yet when `{say.call(site, model)}` runs; it is written later, unsynced.",
        impact="After a power loss the renamed file can be shorter than what was written, although the code waited for the disk.",
        fix=f"Flush first: `{handle}.flush()`, then `fsync` on `{handle}.fileno()`.",
        steps=model.steps(exposure.worst, site.function, site),
        subject=handle,
    )
