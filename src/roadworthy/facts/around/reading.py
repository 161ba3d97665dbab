"""Which reader reads which kind of file, and what becomes of files that none can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts.around import dockerfile, locks, requirements, settings, shell, sql, units, yamlfiles
from roadworthy.facts.around.found import Found, Source
from roadworthy.facts.around.helm import fill
from roadworthy.facts.around.kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from roadworthy.facts.schema import AuxFacts

MAX_BYTES = 2_000_000
MAX_BYTES_OF = {"lock": 20_000_000, "pipfile-lock": 20_000_000, "sql": 5_000_000}


def read_around(path: str, data: bytes) -> AuxFacts | None:
    """The facts of one file, or None where it turns out to be of no interest. Never raises."""
    kind = kind_of(path)
    if not kind:
        return None
    found = Found()
    lines = data.count(b"\n") + 1
    limit = MAX_BYTES_OF.get(kind, MAX_BYTES)
    if (
        len(data) > limit
        and kind == "yaml"
        and not yamlfiles.looks_like_manifest(data[:50_000].decode("utf-8", "replace"))
    ):
        return None  # recorded responses, data sets
    if len(data) > limit:
        found.problem(1, f"larger than {limit // 1_000_000} MB: not read")
        return found.facts(path, _FALLBACK.get(kind, "config"), lines)
    text = _decode(data)
    if text is None:
        return None if kind in _OFTEN_OTHERS else _unreadable(path, kind, lines, "binary data")
    source = Source(path, text)
    try:
        said = _READERS[kind](source, found)
    except Exception as error:  # the promise of this package: a file may be lost, a review never is
        return _unreadable(path, kind, lines, f"could not be read ({type(error).__name__})")
    return None if said is None else found.facts(path, said, source.line_count)


def _unreadable(path: str, kind: str, lines: int, message: str) -> AuxFacts:
    found = Found()
    found.problem(1, message)
    return found.facts(path, _FALLBACK.get(kind, "config"), lines)


def _decode(data: bytes) -> str | None:
    """The text, or None for binary data. Line ends become `\\n`."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace")
    elif b"\0" in data[:8192]:
        return None
    else:
        text = data.decode("utf-8-sig", "replace")
    return text.replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n")


def _read_ini_or_supervisor(source: Source, found: Found) -> str | None:
    return units.read_supervisor(source, found) or settings.read_ini(source, found)


def _read_dockerfile(source: Source, found: Found) -> str | None:
    return dockerfile.read(Source(source.path, fill(source.text)), found)


_READERS: dict[str, Callable[[Source, Found], str | None]] = {
    "dockerfile": _read_dockerfile,
    "shell": shell.read,
    "procfile": units.read_procfile,
    "yaml": yamlfiles.read,
    "systemd": units.read_systemd,
    "supervisor": units.read_supervisor,
    "supervisor-or-ini": _read_ini_or_supervisor,
    "sql": sql.read,
    "requirements": requirements.read_requirements,
    "pyproject": requirements.read_pyproject,
    "pipfile": requirements.read_pipfile,
    "setup-cfg": requirements.read_setup_cfg,
    "lock": locks.read_toml_lock,
    "pipfile-lock": locks.read_pipfile_lock,
    "toml": settings.read_toml,
    "env": settings.read_env,
}
_FALLBACK = {
    "dockerfile": "dockerfile",
    "shell": "shell",
    "procfile": "procfile",
    "yaml": "kubernetes",
    "systemd": "systemd",
    "supervisor": "supervisor",
    "sql": "sql",
    "requirements": "requirements",
    "pipfile": "requirements",
    "lock": "requirements",
    "pipfile-lock": "requirements",
}
_OFTEN_OTHERS = frozenset({"shell", "supervisor", "env"})
"""Names that other things bear as well: binary data under them is no problem worth telling."""
