"""A manifest gives a server or worker no time, or no warning, to finish what it has in hand when it is replaced.

## Why it fails in production
Each deploy, scale-down and node drain stops processes. One that is killed before its own graceful stop has run out cuts requests and jobs off in
the middle. One that gets requests before it listens, or still gets them after it has stopped listening, refuses them.

## What is reported
A server or worker whose own graceful timeout, given on its command line, is longer than the time after which its host kills it. A server behind a
Kubernetes Service without a readiness probe. Pedantic: the program's default timeout that is longer; a server behind a Service without a `preStop`
pause; `Recreate`, which stops the old server before the new one starts.

## What is not reported
Manifests for development, jobs, programs that are not ours, workloads whose command is not known, times that a template decides.

## Bad
```yaml
services:
  web:
    image: registry.example/shop
    # finding: no-drain-time
    command: ["gunicorn", "--graceful-timeout", "60", "shop.wsgi"]
```

## Good
```yaml
services:
  web:
    image: registry.example/shop
    command: ["gunicorn", "--graceful-timeout", "60", "shop.wsgi"]
    stop_grace_period: 75s
```
"""

import re

from roadworthy.rules.api import (
    Audience,
    Confidence,
    Finding,
    Iterator,
    Location,
    Model,
    Rule,
    Severity,
    ShortGrace,
    Unwarned,
    finding,
    say,
    short_graces,
    unwarned_servers,
)

RULE = Rule(id="no-drain-time", anti_pattern="deploy-safety", doc=__doc__)

_SETTING = {
    "compose": "stop_grace_period: {n}s",
    "kubernetes": "terminationGracePeriodSeconds: {n}",
    "systemd": "TimeoutStopSec={n}",
    "supervisor": "stopwaitsecs={n}",
}
_PORT = re.compile(r"(?:^|:)(\d{2,5})$")
_MARGIN = 15  # seconds for the hooks that run after the last request


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Times that do not fit, then servers that nothing warns."""
    for short in short_graces(model.deployment):
        yield _report_short(short)
    for server in unwarned_servers(model.deployment):
        yield _report_unwarned(server)


def _report_short(short: ShortGrace) -> Finding:
    process = short.process
    name = process.name.rpartition("/")[2]
    host = _SETTING.get(process.host, "")
    own = (
        f"`{short.option} {short.seconds:g}`"
        if short.given
        else f"its default of {say.seconds(short.seconds)} (`{short.option}`)"
    )
    work = "jobs" if process.kind == "worker" else "requests"
    needed = int(short.seconds) + _MARGIN
    return finding(
        RULE,
        Location(process.path, process.line, process.end_line),
        Severity.MEDIUM if short.given else Severity.LOW,
        title=say.fit(
            f"`{name}` lets {work} end for {say.seconds(short.seconds)} and is killed after {say.seconds(short.kills_after)}",
            f"`{name}` is killed after {say.seconds(short.kills_after)}, before its own graceful timeout",
        ),
        issue=(
            f"`{name}` waits {own} for {work} in hand after SIGTERM, and {process.host} sends SIGKILL "
            f"{say.seconds(short.kills_after)} after SIGTERM."
        ),
        impact=(
            f"At each deploy {work} that take longer than {say.seconds(short.kills_after)} are cut off in the middle, and no shutdown hook runs, although "
            "the command line promises them more."
        ),
        fix=(
            f"Let the host wait longer than the program: `{host.format(n=needed)}`, or lower `{short.option}` below {short.kills_after:g}."
            if host
            else f"Lower `{short.option}` below {short.kills_after:g}."
        ),
        confidence=Confidence.HIGH if short.given else Confidence.MEDIUM,
        subject=f"{process.owner} {short.option}",
        audience=Audience.REGULAR if short.given else Audience.PEDANTIC,
    )


def _report_unwarned(server: Unwarned) -> Finding:
    workload = server.workload
    name = server.process.name.rpartition("/")[2]
    grave = server.no_readiness
    return finding(
        RULE,
        Location(workload.path, workload.line, workload.line),
        Severity.MEDIUM if grave else Severity.LOW,
        title=say.fit(
            f"{_named('container', workload.container)} serves behind a Service {_lacks(server)}",
            f"a server behind a Service {_lacks(server)}",
        ),
        issue=f"`{name}` of {_named(workload.kind, workload.name)} gets requests through a Service {_lacks(server)}.",
        impact=_impact(server, name),
        fix=_fix(server),
        confidence=Confidence.HIGH if grave else Confidence.MEDIUM,
        subject=f"{workload.kind}/{workload.name}/{workload.container}",
        audience=Audience.REGULAR if grave else Audience.PEDANTIC,
    )


def _named(kind: str, name: str) -> str:
    """`container `web``; of a template that puts the name in, only its kind."""
    return f"the {kind}" if "$…" in name else f"{kind} `{name}`"


def _port(server: Unwarned) -> str:
    """The port of the command line, where it names one."""
    values = [value for option, value in server.process.options if "bind" in option or "port" in option]
    found = (_PORT.search(value) for value in values)
    return next((match[1] for match in found if match is not None), "8000")


def _lacks(server: Unwarned) -> str:
    if server.no_readiness:
        return "without a readiness probe"
    if server.all_at_once:
        return "and is stopped before its successor starts"
    return "without a `preStop` pause"


def _impact(server: Unwarned, name: str) -> str:
    if server.no_readiness:
        return (
            f"At each deploy and restart the Service sends requests as soon as the container runs, before `{name}` listens: they are refused, and a "
            "rollout goes on although the new version never comes up."
        )
    if server.all_at_once:
        return "Each deploy is an outage from the end of the old pod until the new one is ready."
    return f"At each deploy the Service still sends requests for a moment after `{name}` got SIGTERM and closed its socket: those are refused."


def _fix(server: Unwarned) -> str:
    if server.no_readiness:
        return (
            "Add a probe of a route that answers when the server can work, with the server's port:\n"
            f"```\nreadinessProbe:\n  httpGet: {{path: /health, port: {_port(server)}}}\n  periodSeconds: 5\n```"
        )
    if server.all_at_once:
        return "Use `strategy: {type: RollingUpdate}` with `maxUnavailable: 0`, unless a volume allows one pod only."
    return (
        "Let the pod wait before SIGTERM until it has left the Service:\n"
        '```\nlifecycle:\n  preStop:\n    exec: {command: ["sleep", "5"]}\n```'
    )
