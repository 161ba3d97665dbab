"""What an effect is there for: does it act on the world, only read it, or serve something beside the purpose of the code?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.programs import load_programs
from roadworthy.knowledge.vocabulary import Effect, EntryKind, Repeat
from roadworthy.project import flow
from roadworthy.project.phrases import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_READS = re.compile(
    r"(get|fetch|list|search|query|read|load|find|lookup|resolve|download|check|describe|head|count|select|retrieve|show|poll|stream"
    r"|iter|iterate|scan|is|has|can|verify|validate|paginate|scrape|crawl|pull|probe|ping|test|stat|exists)"
)
_BOOKKEEPING = re.compile(
    r"(telemetry|analytics?|metrics?|stats|statistics?|audit|tracking|heartbeat|heartbeats|usage|cache|cached|caching|logging|logs?"
    r"|tracing|tracer|spans?|monitoring|monitor|instrumentation|profiling|breadcrumbs?|insights?)"
)
_MEASURES = re.compile(
    r"_*([a-z]+_)*(telemetry|analytics|metrics?|posthog|statsd)(_[a-z]+)*\.py"
)  # what such a module sends may be lost
_SETTING = re.compile(r"config|configuration|settings?|options?|preferences?|feature|flags?")
_KEYS = re.compile(r"tokens?|login|logon|signin|oauth\d?")
_CALLERS = 60
_GIVEN = frozenset({"request", "req", "event", "context", "ctx", "info", "message", "msg", "environ"})
"""Parameters of functions that a framework calls."""
_COMMANDS = re.compile(r"(manage|cli|__main__|cmd_\w+|\w+_cli)\.py")
_BUILDS = re.compile(r"(_?version|get_version|_?build|versioneer|build_\w+)\.py")
_SHELL = 2  # words in front of the text of a shell
_EITHER_WAY = frozenset({Effect.HTTP_REQUEST, Effect.RPC})


def asks_for_token(effect: EffectAt) -> bool:
    """A request for a key to the other side, in front of what the code is there for: `_get_token()`, `login()`."""
    return effect.effect in _EITHER_WAY and any(_KEYS.fullmatch(word) for word in words_of(effect.function.name))


def acts(effect: EffectAt, *around: str) -> bool:
    """Does the effect change the world as a purpose of its own: rows, messages, mails, money, a request that is not safe to repeat?
    `around`: names of functions around the call, which tell where the library does not (`fetch_author`)."""
    if effect.secondary or effect.effect.word.telemetry or asks_for_token(effect):
        return False
    if effect.effect in _EITHER_WAY:
        told = _method(effect)
        return told == "write" if told else effect.repeat is not Repeat.SAFE and not _reads_by_name(effect, around)
    return effect.effect.word.persists


def _method(effect: EffectAt) -> str:
    """ "read" or "write" where the HTTP method says so: `client.put(…)`, `client.request("GET", …)`."""
    fact = effect.site.fact
    given = [*fact.args[:1], *(value for keyword, value in fact.kwargs if keyword == "method")]
    literals = [m.value.upper() for m in given if isinstance(m, f.Str)]
    word = effect.name.rpartition(".")[2].upper()
    for method in (word, *literals):
        if method in {"GET", "HEAD", "OPTIONS"}:
            return "read"
        if method in {"POST", "PUT", "PATCH", "DELETE"}:
            return "write"
    return ""


def _reads_by_name(effect: EffectAt, around: tuple[str, ...]) -> bool:
    """A helper that is called `fetch_…`, where the library's row does not know more: of a request whose method is not seen it does not."""
    if effect.row.safe_to_repeat is not None and effect.effect is not Effect.HTTP_REQUEST:
        return False
    firsts = [words_of(name)[:1] for name in (effect.function.name, *around)]
    return any(words and _READS.fullmatch(words[0]) for words in firsts)


def is_aside(model: Model, effect: EffectAt, *around: str) -> bool:
    """Counts, caches, audits or tracks: told by the library's role, or by what the code around it (and `around`) calls itself."""
    if effect.secondary or effect.effect.word.telemetry:
        return True
    library = model.knowledge.library_of(effect.name)
    if library is not None and "observability" in library.role:
        return True
    function = effect.function
    names = [function.name, model.callee_text(effect.site), *around]
    names += [function.cls.name] if function.cls is not None else []
    names += [effect.model.name] if effect.model is not None else []
    if _MEASURES.fullmatch(function.path.rpartition("/")[2]):
        return True
    return any(_BOOKKEEPING.fullmatch(word) for name in names for word in words_of(name))


def reads_setting(name: str, effect: EffectAt) -> bool:
    """`config_get()`, `get_setting()`: an optional setting that has a default."""
    return not acts(effect, name) and any(_SETTING.fullmatch(word) for word in words_of(name.rpartition(".")[2]))


def drives_program(model: Model, effect: EffectAt) -> bool:
    """A program on the same machine that does what it is told (a browser): its errors are part of the conversation."""
    library = model.knowledge.library_of(effect.name)
    return library is not None and "browser" in library.role


def runs_nearby(effect: EffectAt) -> bool:
    """Another program on the same machine, none that waits for another machine as far as its name tells."""
    if effect.effect is not Effect.SPAWN_PROCESS:
        return False
    words, rows = program_of(effect), load_programs().rows
    return not words & set(rows.remote) or any(set(row.split()) <= words for row in rows.nearby)


def connects_to_itself(effect: EffectAt) -> bool:
    """`mine.connect(other.getsockname())`: the other end is a socket of the same process, which listens."""
    site = effect.site
    for arg in site.fact.args[:1]:
        values = [arg]
        if isinstance(arg, f.Name):
            values.extend(a.value for a in site.function.bindings.get(arg.id, ()) if a.value is not None)
        calls = [site.function.scope.calls[v.index] for v in values if isinstance(v, f.CallRef)]
        if any(flow.last_name(call.func) == "getsockname" for call in calls):
            return True
    return False


def only_looks(model: Model, entries: Iterable[Entry]) -> bool:
    """Loops of their own that change nothing and serve nobody: one that hangs leaves the rest of the process alone."""
    serving = [entry for entry in entries if entry.serves_others]
    return bool(serving) and all(
        entry.kind is EntryKind.WORKER_LOOP and all(_looks(effect) for effect in model.effects_under(entry.function))
        for entry in serving
    )


def _looks(effect: EffectAt) -> bool:
    """Asks another service, by a request that reads; or reaches nobody."""
    if effect.effect in _EITHER_WAY:
        return not acts(effect, effect.function.name)
    return effect.effect.word.telemetry or not (effect.effect.word.external or effect.effect.word.persists)


def ends_at_once(effect: EffectAt) -> bool:
    """`chmod`, `ps`, `uname`: nobody waits for such a program."""
    words = program_of(effect)
    return (
        effect.effect is Effect.SPAWN_PROCESS
        and bool(words & set(load_programs().rows.instant))
        and runs_nearby(effect)
    )


def is_by_hand(effect: EffectAt) -> bool:
    """By the name of its file: a command, for which a person waits; or a program that is started when the package is built."""
    name = effect.site.path.rpartition("/")[2]
    return _COMMANDS.fullmatch(name) is not None or (
        effect.effect is Effect.SPAWN_PROCESS and _BUILDS.fullmatch(name) is not None
    )


def is_limited_itself(effect: EffectAt) -> bool:
    """`timeout 60 rsync …`: the program that is started ends the other one."""
    words = program_of(effect) if effect.effect is Effect.SPAWN_PROCESS else set()
    return bool(words & set(load_programs().rows.limiting))


def _is_shell(items: tuple[f.Expr, ...]) -> bool:
    """`["sh", "-c", "…"]`."""
    words = [item.value if isinstance(item, f.Str) else "" for item in items[:2]]
    return len(items) > _SHELL and words[0].rpartition("/")[2] in {"sh", "bash", "dash", "zsh"} and words[1] == "-c"


def program_of(effect: EffectAt) -> set[str]:
    """The program that is started, and the word behind it (`sudo git`); nothing where it is only known at run time."""
    return _program_at(effect.site)


def runs_remote(effect: EffectAt, way: Sequence[Edge]) -> bool:
    """Another program that talks to another machine, named at the call or by who calls the helper that starts it (`run(["skopeo", "copy"])`)."""
    if effect.effect is not Effect.SPAWN_PROCESS:
        return False
    rows = load_programs().rows
    named = (_program_at(site) for site in (effect.site, *(edge.site for edge in reversed(way))))
    words = next((words for words in named if words), set())
    return bool(words & set(rows.remote)) and not any(set(row.split()) <= words for row in rows.nearby)


def _program_at(site: CallSite) -> set[str]:
    given = next((value for keyword, value in site.fact.kwargs if keyword in {"args", "command"}), None)
    first = site.fact.args[0] if site.fact.args else given
    if isinstance(first, f.Name) and first.id in site.function.bindings:
        first = site.function.bindings[first.id][0].value
    while isinstance(first, f.Bin) and first.op == "+":
        first = first.left  # `["git", "clone"] + options`
    if isinstance(first, f.FStr) and first.parts:
        first = first.parts[0]
    elif isinstance(first, f.Bin) and first.op == "%":
        first = first.left
    if isinstance(first, f.Seq) and _is_shell(first.items):
        text = first.items[2]
        text = text.left if isinstance(text, f.Bin) and text.op == "%" else text
        return {word.rpartition("/")[2] for part in flow.strings_of(text) for word in re.split(r"[\s;&|()]+", part)}
    items = (first.items[0], *_plain(first.items[1:6])) if isinstance(first, f.Seq) and first.items else (first,)
    if not items or not isinstance(items[0], f.Str):
        return set()
    words = [word for item in items if isinstance(item, f.Str) for word in item.value.split()[:2]]
    return {word.rpartition("/")[2] for word in words}


def _plain(items: Sequence[f.Expr]) -> Sequence[f.Expr]:
    """The word behind the options: `git -C folder fetch`."""
    words = (item for item in items if isinstance(item, f.Str) and not item.value.startswith("-"))
    return list(words)[:1]


def is_called_by_nobody(model: Model, function: Function) -> bool:
    """No entry reaches it, and at the top of its callers stands a plain function that nothing in sight calls or registers."""
    if model.exposure(function).entries:
        return False
    seen, waiting = {function}, [function]
    while waiting:
        here = waiting.pop()
        callers = {edge.caller for edge in model.edges_to(here)} - seen
        if len(seen) > _CALLERS or (not model.edges_to(here) and _may_be_registered(here)):
            return False
        seen |= callers
        waiting.extend(callers)
    return True


def _may_be_registered(function: Function) -> bool:
    """By a decorator, as a method that a class of a library calls, or somewhere that names it, as what it is given tells."""
    cls = function.cls
    if function.kind != "function" or function.scope.decorators or not _GIVEN.isdisjoint(function.parameters):
        return True
    return cls is not None and bool(cls.library_bases)


def is_typed(function: Function) -> bool:
    """`@click.argument("name")`: somebody at a terminal says what it is about, sees it fail and types it again."""
    outer = function.parent.scope if function.parent is not None else None
    calls = [outer.calls[expr.index] for expr in function.scope.decorators if outer and isinstance(expr, f.CallRef)]
    return any(flow.text_of(call.func, outer) == "click.argument" for call in calls if outer is not None)
