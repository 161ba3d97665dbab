"""A shell stands between the stop signal and the server or worker.

## Why it fails in production
A deploy sends SIGTERM to the first process of the container. When that is a shell that started the server as its child, the shell does
not pass the signal on: the server never hears of it, works on until the grace period is over, and is then killed with SIGKILL. Every
request or job in hand is cut off, no shutdown hook runs, and each deploy waits out the whole grace period.

## What is reported
The shell form of `CMD` and `ENTRYPOINT`, entrypoint scripts that start their long-running command without `exec`, commands put into the
background without a trap that passes the signal on, and servers that need an option to end on SIGTERM and do not have it.

## What is not reported
`exec`, the JSON form, init programs that signal the whole group, shells that become their last command, managers that signal every
process, commands that end by themselves, and manifests for development.

## Bad
```dockerfile
FROM python:3.12-slim
CMD gunicorn app.wsgi --bind 0.0.0.0:8000  # finding: entrypoint-without-exec
```

## Good
```dockerfile
FROM python:3.12-slim
CMD ["gunicorn", "app.wsgi", "--bind", "0.0.0.0:8000"]
```
"""

import json
from itertools import pairwise

from roadworthy.rules.api import (
    Confidence,
    Finding,
    Hop,
    Iterator,
    Location,
    Model,
    Rule,
    Severity,
    SignalReach,
    StartedProcess,
    finding,
    lifetime_of,
    say,
    unstoppable,
)

RULE = Rule(id="entrypoint-without-exec", anti_pattern="deploy-safety", doc=__doc__)

Lost = tuple[StartedProcess, SignalReach]


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Ask each long-running process whether the stop signal arrives; one finding for each script or command line."""
    causes: dict[tuple[str, ...], list[Lost]] = {}
    for process, answer in unstoppable(model, lifetime_of(model)):
        if process.role == "dev" or is_help_script(process):
            continue
        causes.setdefault(_cause(process, answer), []).append((process, answer))
    for lost in causes.values():
        yield _report(sorted(lost, key=lambda pair: _rank(pair[0])))


def is_help_script(process: StartedProcess) -> bool:
    """A script that no manifest starts and that is not called like an entrypoint: somebody runs it by hand."""
    name = process.path.rpartition("/")[2]
    return process.host == "script" and not name.startswith(
        ("entrypoint", "docker-entrypoint", "entry", "start", "run")
    )


def _cause(process: StartedProcess, answer: SignalReach) -> tuple[str, ...]:
    """A script is one cause, however many commands it starts; so are scripts side by side that start one program and that no manifest
    names, and a command that several manifests write down in the same way."""
    if answer.at is not None and answer.at.what == "script":
        if process.host == "script" and "background" not in answer.reason:  # one script for each queue
            return ("scripts", answer.at.path.rpartition("/")[0], process.name, process.target)
        return ("script", answer.at.path)
    return ("command", process.name, process.target, answer.at.name if answer.at else "")


def _rank(process: StartedProcess) -> tuple[bool, int, str, int, str]:
    """What a reader should hear of first: what is known for certain, servers and workers before others."""
    kinds = ("server", "worker", "scheduler", "manager")
    kind = kinds.index(process.kind) if process.kind in kinds else len(kinds)
    return not process.sure, kind, process.path, process.line, process.owner


def _report(lost: list[Lost]) -> Finding:
    process, answer = lost[0]
    place = _place(process, answer)
    name = _name(process)
    others = {(p.path, p.line): p for p, _ in lost if (p.path, p.line) != (process.path, process.line)}
    return finding(
        RULE,
        place,
        _severity(lost),
        title=_title(name, process, answer),
        issue=f"{_issue(process, answer)}{_also(lost)}.{_siblings(process, others)}",
        impact=_impact(name, process, process.on_stop if answer.at is None else ""),
        fix=_fix(process, answer),
        related=[
            Location(p.path, p.line, p.end_line, note=f"{_name(p)} is started in the same way") for p in others.values()
        ],
        confidence=_confidence(lost),
        subject=f"{process.name} {process.target}".strip(),
    )


def _siblings(process: StartedProcess, others: dict[tuple[str, int], StartedProcess]) -> str:
    """What this script and those beside it start in the same way."""
    here = [
        f"`{_name(other)}` in line {line}" for (path, line), other in sorted(others.items()) if path == process.path
    ]
    also = f" It starts {say.joined(here, 3)} in the same way." if here else ""
    scripts = {
        path.rpartition("/")[2] for path, _ in others if path.endswith((".sh", ".bash")) and path != process.path
    }
    names = say.joined([f"`{name}`" for name in sorted(scripts)[:3]]) if len(scripts) <= 3 else ""
    does = "does" if len(scripts) == 1 else "do"
    return f"{also} So {does} {names or f'{len(scripts)} scripts beside it'}." if scripts else also


def _place(process: StartedProcess, answer: SignalReach) -> Location:
    at = answer.at
    if at is not None:
        return Location(at.path, at.line, at.end_line)
    return Location(process.path, process.line, process.end_line)


def _name(process: StartedProcess) -> str:
    """`gunicorn`, `celery worker`, `python worker.py`: what a reader calls the process."""
    given = {word for option, word in pairwise(process.argv) if option.startswith("-") and "=" not in option}
    words = [
        word
        for word in process.argv
        if not word.startswith(("-", "$")) and "=" not in word and (word not in given or process.argv.count(word) > 1)
    ]
    at = next((i for i, word in enumerate(words) if word.rpartition("/")[2] == process.name.rpartition("/")[2]), None)
    base = process.name.rpartition("/")[2]
    if at is None or process.name.endswith(".py"):
        return base
    follows = next((word for word in words[at + 1 :] if word in _VERBS or word.startswith(("run", "start"))), "")
    return f"{base} {follows}".strip()


_VERBS = frozenset({"worker", "beat", "server", "serve", "up", "flower", "qcluster", "scheduler", "consumer"})


def _title(name: str, process: StartedProcess, answer: SignalReach) -> str:
    if answer.at is None:
        return f"`{name}` ignores SIGTERM without `{process.needs_option_to_stop[0]}`"[:110]
    shell = "a script" if answer.at.what == "script" else f"`{answer.at.name}`"
    return f"SIGTERM does not reach `{name}`: {shell} starts it and stays in front"[:110]


def _issue(process: StartedProcess, answer: SignalReach) -> str:
    command = " ".join(process.argv[:6]) + (" …" if len(process.argv) > 6 else "")
    return f"`{command}` does not hear SIGTERM: {answer.reason}"


def _also(lost: list[Lost]) -> str:
    """The services that are started through this line."""
    hosts = {"compose", "kubernetes"}
    owners = sorted({p.owner for p, _ in lost if p.owner and "$…" not in p.owner and p.host in hosts})
    return f" (used by {say.joined([f'`{o}`' for o in owners])})" if owners else ""


def _impact(name: str, process: StartedProcess, on_stop: str) -> str:
    grace = (
        f"{say.seconds(process.grace_period)} later"
        if process.grace_period is not None
        else "at the end of the grace period"
    )
    work = {
        "server": "requests in hand are cut off in the middle",
        "worker": "jobs in hand are cut off half done and run again or are lost",
    }.get(process.kind, "work in hand is cut off in the middle")
    goes_on = f"does not end ({on_stop})" if on_stop else "goes on as if nothing had happened"
    return f"At each deploy or scale-down `{name}` {goes_on}, is killed with SIGKILL {grace}, {work}, and no shutdown hook runs."


def _fix(process: StartedProcess, answer: SignalReach) -> str:
    if answer.at is None and process.stops_gently_with:
        return (
            f"Add `{process.stops_gently_with}` to the command line: it finishes what it has in hand, and ends. `{process.needs_option_to_stop[0]}` ends "
            "it, too, and cuts that off."
        )
    if answer.at is None:
        return f"Add `{process.needs_option_to_stop[0]}` to the command line or its configuration file."
    words = list(process.argv)
    plain = not any("$" in word for word in words) and len(words) <= 12 and not answer.at.expands
    if answer.at.what == "script":
        inner = next((hop for hop in process.hops if "background" in hop.why and hop is not answer.at), None)
        if inner is not None and "background" not in answer.reason:
            return (
                f"Run it in the foreground, as the last command of both scripts: in `{inner.path}` `exec` in front of `{words[0]}` and no `&` behind it; "
                f"in `{answer.at.path}` `exec` in front of what starts that script, and nothing after it."
            )
        if "background" in answer.reason:
            return (
                "Give each long-running process a container of its own; or let the script pass the signal on to all that it started:\n"
                "```sh\ntrap 'kill -TERM $(jobs -p); wait' TERM  # above the first `&`\n```"
            )
        if '"$@"' in process.written:  # what it is called with differs from unit to unit
            words = list(process.written)
        if len(words) > 8 or any("…" in word for word in words) or not answer.at.alone:
            return f"Let the script become the process: put `exec` in front of `{words[0]}`, and leave the rest of the line as it is."
        return f"Let the script become the process:\n```sh\nexec {' '.join(words)}\n```"
    inside = [hop for hop in process.hops[process.hops.index(answer.at) + 1 :] if hop.what == "script"]
    if inside:
        return _through_scripts(answer.at, inside, words[0])
    if plain and answer.at.alone:
        keyword = "CMD" if process.path.rpartition("/")[2].lower().find("dockerfile") >= 0 else "command:"
        return f"Use the JSON form, which needs no shell:\n```\n{keyword} {json.dumps(words)}\n```"
    command = f"exec {' '.join(words[:8])}{' …' if len(words) > 8 else ''}"
    if answer.at.expands:  # the words hold what the variables are here and now
        command = f"exec {words[0]} …"
    if not answer.at.alone:
        return f"Keep the commands before it, and let the shell become the last one:\n```sh\n… && {command}\n```"
    return f"The shell is needed for its variables: let it become the process.\n```sh\n{command}\n```"


def _through_scripts(at: Hop, scripts: list[Hop], program: str) -> str:
    """A shell starts a script that starts it: the shell and the script have to give way."""
    held = [hop for hop in scripts if hop.passes != "exec"]
    inner = say.joined([f"`exec` in front of what it starts on line {hop.line} of `{hop.path}`" for hop in held[:-1]])
    last = f"`exec` in front of `{program}` on line {held[-1].line} of `{held[-1].path}`" if held else ""
    rest = say.joined([text for text in (inner, last) if text])
    also = f", and {rest}" if rest else ""
    return f"Put `exec` in front of the script in line {at.line} of `{at.path}` (or name it there in the JSON form, without a shell){also}."


def _severity(lost: list[Lost]) -> Severity:
    if any(p.kind in {"server", "worker"} and p.host != "script" for p, _ in lost):
        return Severity.HIGH
    return Severity.MEDIUM


def _confidence(lost: list[Lost]) -> Confidence:
    if all(p.host == "script" for p, _ in lost):
        return Confidence.MEDIUM
    return Confidence.HIGH if any(p.sure and a.certain for p, a in lost) else Confidence.MEDIUM
