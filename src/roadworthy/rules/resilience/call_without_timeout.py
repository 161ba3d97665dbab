"""An external call may wait for ever.

## Why it fails in production
A dependency that accepts the connection and never answers is an ordinary fault: an overloaded server, a lost packet, a firewall
that drops. Without a timeout the caller waits until the process is killed; its worker, its lock and its transaction wait with it.

## What is reported
An external call whose library default, or whose explicit `None` or `0`, means "wait for ever".
The finding stands where the client is constructed when one construction is the cause of many calls. Bare calls of one library in one class
(or in the functions of one module) are one finding, at the first of those that hang the worst; so are all calls that one missing setting bounds.
A grade lower: requests whose worker the server kills within five minutes (uWSGI's `harakiri`, gunicorn's `--timeout` with sync workers).

## What is not reported
Calls bounded by an argument, by the client's construction, by an adapter or subclass of the project that sets one, by the library's own
default, by a setting or environment variable, by a setting that ends every job within an hour, or by a surrounding timeout on every path. Calls that pass on a value of their caller. Without
`--pedantic`: scripts for developers, and programs, workflows and connections for which a command waits, since a person sees that it hangs.
A stream whose timeout is turned off in an endless loop that opens it again.

## Bad
```python
import flask, requests

app = flask.Flask(__name__)

@app.get("/rates")
def rates():
    return requests.get("https://rates.example/latest").json()  # finding: call-without-timeout
```

## Good
```python
import flask, requests

app = flask.Flask(__name__)

@app.get("/rates")
def rates():
    return requests.get("https://rates.example/latest", timeout=5).json()
```
"""

from roadworthy.rules.api import (
    Audience,
    CallSite,
    Confidence,
    Effect,
    EffectAt,
    Finding,
    GuardKind,
    Iterator,
    Model,
    Rule,
    Severity,
    TimeoutVerdict,
    advise,
    bound_by,
    connects_to_itself,
    ends_at_once,
    finding,
    flow,
    handoff_to,
    impact_weight,
    is_by_hand,
    is_limited_itself,
    is_on_loop,
    is_subscription,
    killed_after,
    only_looks,
    only_setting,
    owner_of,
    program_of,
    runs_nearby,
    say,
    uncovered_way,
    waiting_top,
    who_waits,
)

RULE = Rule(id="call-without-timeout", anti_pattern="missing-timeout", doc=__doc__)

_LINES = 8  # that many lines are named
_WAITS = frozenset({Effect.WAIT, Effect.LOCK, Effect.SLEEP})  # the business of wait-without-timeout
_LONG_OR_FIRST = frozenset({Effect.SPAWN_PROCESS, Effect.START_DURABLE, Effect.CONNECT})

Unbounded = tuple[EffectAt, TimeoutVerdict]


@RULE.check
def check(model: Model) -> Iterator[Finding]:
    """Group unbounded calls by what has to be written to bound them, and report each cause once."""
    unbounded = [(effect, verdict) for effect in model.effects_of() for verdict in _verdict(effect, model)]
    made = [verdict.cause for _, verdict in unbounded if verdict.at_construction and verdict.cause is not None]
    built = {(cause.function, flow.text_of(cause.fact.func, cause.function.scope)) for cause in made}
    causes: dict[tuple[object, ...], list[Unbounded]] = {}
    for effect, verdict in unbounded:
        causes.setdefault(bound_by(effect, verdict, built), []).append((effect, verdict))
    for found in causes.values():
        yield _report(sorted(found, key=lambda p: (not p[1].at_construction, _rank(p[0], p[1], model))), model)


def _verdict(effect: EffectAt, model: Model) -> Iterator[TimeoutVerdict]:
    """That the call may wait for ever, if it may."""
    if effect.effect in _WAITS or not effect.effect.word.external:
        return
    verdict = model.timeout(effect)
    if verdict.bound != "forever" or verdict.cause is None or not model.is_reviewed(verdict.cause.path):
        return
    harmless = is_subscription(effect, verdict) or connects_to_itself(effect) or is_limited_itself(effect)
    if not harmless and not is_bounded_outside(effect, model):
        yield verdict


def is_bounded_outside(effect: EffectAt, model: Model) -> bool:
    """A timeout around the call on every path to it."""
    covered = model.coverage(effect.site, lambda g: g.kind is GuardKind.TIMEOUT and not model.guards.never_ends(g))
    return covered.everywhere


def is_watched(effect: EffectAt, model: Model) -> bool:
    """A person at a terminal waits for a program, a workflow or a connection: who sees that it hangs."""
    watched = model.is_script(effect.site.path) or model.exposure(effect.function).only_commands
    return watched and (effect.effect in _LONG_OR_FIRST or model.is_script(effect.site.path))


def _report(found: list[Unbounded], model: Model) -> Finding:
    effect, verdict = found[0]
    cause = verdict.cause or effect.site
    made = (
        {v.cause for _, v in found if v.cause is not None and v.cause is not cause}
        if verdict.at_construction
        else set()
    )
    way = uncovered_way(model, effect.site, GuardKind.TIMEOUT)
    exposure = model.exposure(waiting_top(model, effect))
    entry = who_waits(model, effect)
    connects = [e for e, _ in found if e.site is cause and e.effect is Effect.CONNECT and cause.fact.args]
    hangs = connects[0] if connects else effect  # what is built with a host waits for its greeting at once
    name = verdict.parameter
    how = {"none": f"`{name}=None`", "zero": f"`{name}=0`", "partly": f"no `{name}`"}.get(verdict.reason, "no timeout")
    sites = sorted({*(e.site for e, _ in found if e.site is not cause), *made}, key=lambda s: (s.path, s.line))
    uses = [site for site in sites if site not in made]
    alike = [site for site in sites if site in made] if verdict.at_construction else uses
    return finding(
        RULE,
        model.place(cause),
        _severity(effect, model),
        title=_title(cause, verdict, len(alike), how, model),
        issue=_issue(cause, effect, verdict, len(uses), how, model) + _also(cause, alike),
        impact=f"{say.silence(hangs)}, `{say.call(hangs.site, model)}` never returns: {_harm(effect, model)}",
        fix=_fix(effect, verdict, len(alike), model),
        related=[model.place(site, "waits without a bound") for site in sites],
        steps=(*model.steps(entry, way[0].caller), *model.chain(way))
        if way
        else model.steps(entry, effect.function, effect.site),
        confidence=Confidence.weakest(verdict.confidence, model.confidence_of(effect)),
        subject=effect.name,
        audience=Audience.PEDANTIC if all(is_watched(e, model) for e, _ in found) else Audience.REGULAR,
        weight=impact_weight(exposure, [e for e, _ in found]),
    )


def _title(cause: CallSite, verdict: TimeoutVerdict, more: int, how: str, model: Model) -> str:
    callee = say.call(cause, model)
    if not more:
        return f"`{callee}` has {how}, so it may wait for ever"
    owner = owner_of(cause.function)
    place = owner.name if owner is not None else cause.path.rpartition("/")[2]
    where = "" if only_setting(verdict) else f" in `{place}`"
    return f"`{callee}` and {_calls(more, 'more')}{where} have {how}, so each may wait for ever"


def _also(cause: CallSite, alike: list[CallSite]) -> str:
    """Where the others are."""
    if not alike:
        return ""
    has = "has" if len(alike) == 1 else "have"
    here = [str(site.line) for site in alike if site.path == cause.path]
    if len(here) < len(alike):
        files = len({site.path for site in alike} | {cause.path})
        return f" {_calls(len(alike), 'other')} {has} none either, in {files} files."
    lines = ", ".join(here[:_LINES]) + (" …" if len(here) > _LINES else "")
    return f" {_calls(len(alike), 'other')} ({'line' if len(here) == 1 else 'lines'} {lines}) {has} none either."


def _calls(number: int, word: str) -> str:
    return f"{number} {word} call{'' if number == 1 else 's'}"


def _fix(effect: EffectAt, verdict: TimeoutVerdict, more: int, model: Model) -> str:
    one = advise.timeout(model, effect, verdict)
    if not more or only_setting(verdict) or ", once" in one.partition("```")[0]:
        return one
    if verdict.reason == "no parameter" and "```" not in one:
        return f"{one} The other {'call needs' if more == 1 else f'{more} calls need'} the same."
    each = "with one constant for all"
    if effect.name.endswith(".result"):
        each = "each with a limit above its own longest run"
    return f"{one}\nDo the same at the other {'call' if more == 1 else f'{more} calls'}, {each}."


def _issue(cause: CallSite, effect: EffectAt, verdict: TimeoutVerdict, uses: int, how: str, model: Model) -> str:
    if verdict.at_construction and uses:
        many = f"{uses} calls" if uses > 1 else f"`{say.call(effect.site, model)}`"
        made = say.call(cause, model)
        if not say.makes_client(made):
            return f"`{made}` is called with {how}, and {many} on what it returns can wait without a bound."
        return f"`{made}` builds the client with {how}, and {many} through it can wait without a bound."
    if verdict.reason == "no parameter":
        return f"`{say.call(cause, model)}` takes no timeout and nothing around it ends the wait."
    if verdict.reason in {"none", "zero"}:
        return f"`{say.call(cause, model)}` is called with {how}, which means: wait for ever."
    return f"`{say.call(cause, model)}` is called with {how}; the library's default is to wait for ever."


def _harm(effect: EffectAt, model: Model) -> str:
    top = waiting_top(model, effect)
    exposure = model.exposure(top)
    waiting = who_waits(model, effect)
    who = say.entry(waiting, effect.function)
    held = model.transaction_on_way(waiting, effect.site) if waiting else model.transaction_over(effect.site)
    if held is not None:
        return f"{who} hangs and keeps its transaction (`{held.name.rpartition('.')[2]}`, {held.path}:{held.line}) and its locks open."
    if waiting is None and model.is_script(effect.function.path):
        return f"{who} hangs until somebody kills it."
    if waiting is None and effect.function.kind == "function":
        callers = sorted(model.edges_to(effect.function), key=lambda e: (e.site.path, e.site.line))
        caller = next((e for e in callers if e.caller is not effect.function and e.caller.kind == "function"), None)
        if caller is not None:
            by = f"`{caller.caller.qualname}()` ({caller.site.path}:{caller.site.line})"
            return f"`{effect.function.qualname}()` hangs, and {by}, which waits for it, with it."
    handoff = handoff_to(model, top)
    awaits = effect.row.awaitable
    if handoff is not None:
        return f"{say.never_comes_back(handoff, on_loop=handoff.on_loop and not awaits)}."
    on_loop = waiting is not None and exposure.serves and is_on_loop(model, waiting, effect.function)
    killed = killed_after(model, top)
    return f"{say.hangs(waiting, effect.function, on_loop=on_loop and not awaits, awaited=on_loop and awaits, killed=killed)}."


def _severity(effect: EffectAt, model: Model) -> Severity:
    if ends_at_once(effect):
        return Severity.LOW
    top = waiting_top(model, effect)
    exposure = model.exposure(top)
    if exposure.serves and not model.is_script(effect.site.path):
        handoff = handoff_to(model, top)
        waits = handoff is None or handoff.holds_others(effect)
        alone = runs_nearby(effect) or only_looks(model, (reached.entry for reached in exposure.entries))
        return Severity.HIGH if waits and not alone and killed_after(model, top) is None else Severity.MEDIUM
    named = runs_nearby(effect) and program_of(effect)
    at_import = effect.effect is Effect.SPAWN_PROCESS and effect.function.kind == "module"
    by_hand = not exposure.entries and is_by_hand(effect)
    small = exposure.only_commands or model.is_script(effect.site.path) or named or at_import or by_hand
    return Severity.LOW if small else Severity.MEDIUM


def _rank(effect: EffectAt, verdict: TimeoutVerdict, model: Model) -> tuple[int, bool, str, int]:
    lent = effect.effect is Effect.CONNECT and verdict.cause is not effect.site  # work says more than what a pool lends
    return (_severity(effect, model).rank, lent, effect.site.path, effect.site.line)
