"""The fix for a call that may wait for ever: its parameter, its client's, a setting, or a limit from outside."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, WHOLE, call_text, callee_text, statement_text, written
from roadworthy.advice.fixes import Place, fix
from roadworthy.advice.patterns import best, cite
from roadworthy.advice.stack import family_of
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind

if TYPE_CHECKING:
    from roadworthy.advice.patterns import Pattern, Use
    from roadworthy.knowledge.schema import Timeout
    from roadworthy.project.clients import TimeoutVerdict
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_SLOW = frozenset(
    {Effect.LLM, Effect.SQL, Effect.SQL_READ, Effect.SPAWN_PROCESS, Effect.OBJECT_WRITE, Effect.OBJECT_READ}
)


_WAITS_FOR_PROGRAM = frozenset({"subprocess.Popen.communicate", "subprocess.Popen.wait"})
_JOB = re.compile(r"(Result|Results|Future|Job|Operation|Promise|Workflow|WorkflowHandle|Poller)$")
"""Types that stand for work that goes on elsewhere."""
_WAITED_FOR = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER, EntryKind.MIDDLEWARE})
_MILLISECONDS = frozenset({"MS", "MSEC", "MSECS", "MILLIS", "MILLISECONDS"})
_CURSORS = frozenset({"find", "aggregate", "watch", "list_collections"})
_GENERAL = frozenset({
    "HTTP", "HTTPS", "REQUEST", "REQUESTS", "DEFAULT", "TIMEOUT", "SECONDS", "SECS", "API", "CLIENT", "EXTERNAL", "IN", "S", "READ",
})  # fmt: skip


def timeout(model: Model, effect: EffectAt, verdict: TimeoutVerdict) -> str:
    """Bound a call, or the client that makes it, with the parameter that the library has for it."""
    site = verdict.cause or effect.site
    family = family_of(model, effect.name)
    setting = _setting(model, site.function, family)
    own = best(model, "timeout", site.function, family, lambda p: _same_way(p, site))
    seconds = setting.name if setting is not None else _usual(own) or _seconds(model, effect)
    extra = {"seconds": seconds, "parameter": verdict.parameter}
    if seconds.isdigit():
        extra["milliseconds"] = f"{seconds}_000"
    elif _in_milliseconds(seconds):
        extra |= {"seconds": f"{seconds} / 1000", "milliseconds": seconds}
    place = Place(model, site.function, site, (effect.name,), extra)
    rule = verdict.timeout
    if rule is not None and not verdict.parameter and not rule.config:
        return _without_parameter(place, effect, rule)
    value, remark = _value(place, verdict)
    where = "where the client is made" if verdict.at_construction else "at the call"
    if verdict.at_construction and _last(callee_text(site)) in _CURSORS:
        where = f"to `{_last(callee_text(site))}()`"
    if (_is_long(effect) or _starts_program(model, effect)) and not remark and not verdict.at_construction:
        where = f"{where}, above the longest healthy run"
    named = verdict.parameter or "timeout"
    shown = named if re.search(rf"\b{re.escape(named)}\b", value) else value.partition("=")[0]
    text = f"Pass `{shown}` {where}. {remark}".strip()
    cited = _cite_setting(setting, site) if setting is not None else _cite(own, site)
    code = call_text(site, [value], _replaced(value), WHOLE)
    if GAP in code:  # what is too long to be written again is named
        return fix(
            f"Add `{value}` to the arguments of `{_last(callee_text(site))}()` on line {site.line}. {remark}".strip(),
            cited,
        )
    killed = _killed(effect, site, code)
    if killed:
        return fix(
            f"{text[:-1] if text.endswith('.') else text}, and kill the program then, for it runs on.", cited, killed
        )
    return fix(text, cited, code)


def _killed(effect: EffectAt, site: CallSite, call: str) -> str:
    """The wait for a program that was started before, with its limit, and the end of the program behind it; "" for any other call."""
    owner, _, method = callee_text(site).rpartition(".")
    statement = statement_text(site)
    plain = call_text(site, width=WHOLE)
    if effect.name not in _WAITS_FOR_PROGRAM or GAP in statement or not owner.replace(".", "").isidentifier():
        return ""
    return "\n".join([
        "try:",
        f"    {statement.replace(plain, call)}",
        "except subprocess.TimeoutExpired:",
        f"    {owner}.kill()",
        f"    {owner}.{method}()",
        "    raise",
    ])  # fmt: skip


def _seconds(model: Model, effect: EffectAt) -> str:
    """A limit that healthy work keeps: what a program does (a build, a backup) takes long where no request waits for it."""
    if _is_long(effect) or _starts_program(model, effect):
        waits = any(r.entry.kind in _WAITED_FOR for r in model.exposure(effect.function).entries)
        return "60" if waits else "600"
    return "60" if effect.effect in _SLOW else "10"


def _is_long(effect: EffectAt) -> bool:
    """Is it work that is waited for: a program, a query or an upload that was begun elsewhere? It may rightly take minutes."""
    return (
        _is_program(effect)
        or effect.name.endswith(".result")
        or _JOB.search(effect.name.rpartition(".")[0]) is not None
    )


def _starts_program(model: Model, effect: EffectAt) -> bool:
    """`repo.remote().push()` asks another machine through a program, and may rightly take minutes."""
    return {Effect.SPAWN_PROCESS, Effect.HTTP_REQUEST} <= {e.effect for e in model.effects_at(effect.site)}


def _is_program(effect: EffectAt) -> bool:
    """Is it a program that is waited for? It may rightly take longer than an answer."""
    return "subprocess" in effect.name or effect.effect is Effect.SPAWN_PROCESS


def _in_milliseconds(name: str) -> bool:
    """`settings.ACTION_TIMEOUT_MS`: the name says its unit."""
    return bool(_MILLISECONDS & set(_last(name).upper().split("_")))


def _same_way(pattern: Pattern, site: CallSite) -> bool:
    """A construction is no example for a call, nor the other way round."""
    return pattern.definition is not None or _last(pattern.name[:-2]) == _last(callee_text(site))


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _usual(pattern: Pattern | None) -> str:
    """The number of seconds that most calls of this kind have here; empty when it is no plain number."""
    if pattern is None or pattern.definition is not None:
        return ""
    numbers = Counter(use.text.partition("=")[2] for use in pattern.uses)
    number = min(numbers, key=lambda text: (-numbers[text], text), default="")
    return number if number.isdigit() and int(number) <= 300 else ""


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _cite(pattern: Pattern | None, site: CallSite) -> str:
    if pattern is None or pattern.definition is not None:
        return cite(pattern, site.function)
    wanted = next((asks for asks in (_is_number, _tells) if any(asks(use) for use in pattern.uses)), None)
    use = pattern.near(site.function, wanted)
    others = len(pattern.uses)
    if not use.text or len(use.text) > 60 or wanted is None:  # `timeout=timeout`: nothing to copy from
        return ""
    if others == 1:
        return f"`{pattern.name}` in `{use.path}:{use.line}` has `{use.text}`."
    return f"{others} other calls of `{pattern.name}` have one (`{use.text}` in `{use.path}:{use.line}`)."


def _is_number(use: Use) -> bool:
    """`timeout=10` can be copied; `timeout=self.timeout` is at hand in its own class only."""
    return use.text.partition("=")[2].replace(".", "", 1).isdigit()


def _tells(use: Use) -> bool:
    """`timeout=10` says what to write; `timeout=timeout` does not."""
    name, _, value = use.text.partition("=")
    return value != name


def _cite_setting(setting: Pattern, site: CallSite) -> str:
    use = setting.near(site.function)
    return f"`{setting.name}` is the limit in `{use.path}:{use.line}`."


def _replaced(value: str) -> tuple[str, ...]:
    """Keywords that the new arguments give: the old ones go."""
    return tuple(part.partition("=")[0].strip() for part in value.split(", ") if "=" in part)


def _setting(model: Model, function: Function, family: str) -> Pattern | None:
    """A name that carries the limit for calls of this family, and that is at hand in this module."""

    def at_hand(pattern: Pattern) -> bool:
        root = pattern.name.partition(".")[0]
        body = function.module.body
        imported = root in body.bindings or root in body.imports
        words = set(_last(pattern.name).upper().split("_"))
        return imported and (
            words <= _GENERAL or any(_folder(use.path) == _folder(function.path) for use in pattern.uses)
        )

    return best(model, "timeout-number", function, family, at_hand)


def _value(place: Place, verdict: TimeoutVerdict) -> tuple[str, str]:
    """The arguments that set the limit, and a remark."""
    if verdict.timeout is not None and verdict.parameter in verdict.timeout.object_arguments:
        others = [name for name in verdict.timeout.object_arguments if not name.isdigit() and name != verdict.parameter]
        itself = _last(place.filling["callee"]) == _last(verdict.timeout.object or "")
        if (
            verdict.reason == "none" and others and itself
        ):  # whoever took the limit of the whole away lets long answers pass
            each = f"{verdict.parameter}=None, {others[-1]}={place.extra['seconds']}"
            return each, f"`{others[-1]}` bounds each wait for data and lets a long answer pass."
        return f"{verdict.parameter}={place.extra['seconds']}", ""  # the object that holds the limits is made here
    filled = place.pick("timeout-value")
    if filled is not None and (verdict.parameter or "timeout") in filled.code:
        return filled.code, filled.text
    rule = verdict.timeout
    seconds = place.extra["seconds"]
    parameter = verdict.parameter or "timeout"
    if rule is None:
        return f"{parameter}={seconds}", ""
    if rule.unit == "ms":
        seconds = place.extra.get("milliseconds", f"{seconds} * 1000")
    if rule.object and rule.object_arguments and not rule.object_arguments[0].isdigit():
        return f"{parameter}={rule.object}({rule.object_arguments[0]}={seconds})", ""
    if rule.config and rule.config != parameter:
        return f'{rule.config}={{"{parameter}": {seconds}}}', ""
    names = rule.arguments if rule.arguments and verdict.reason != "partly" else (parameter,)
    return ", ".join(f"{name}={seconds}" for name in names), ""


# --- no parameter ----------------------------------------------------------------------------------------------------


def _without_parameter(place: Place, effect: EffectAt, rule: Timeout) -> str:
    """A call that takes no limit: by a setting, on its client, for the process, or from outside."""
    callee = place.filling["callee"]
    for name in rule.environment:
        if name.isupper():
            return _by_setting(
                place, name, tuple(n for n in rule.environment if n.partition(".")[0].isupper() and "." in n)
            )
        code = _on_client(name, effect, place.extra["seconds"])
        if code:
            return fix(f"`{callee}()` takes no limit; its client does, once:", "", code)
    note = rule.note if not effect.function.is_async else ""
    outside = place.pick("timeout-outside")
    text = f"`{callee}()` takes no limit ({note})." if note and outside is None else f"`{callee}()` takes no limit."
    if (
        _is_program(effect)
        and outside is not None
        and effect.function.is_async
        and isinstance(effect.site.fact.func, f.Attr)
    ):
        program = written(effect.site.fact.func.value, effect.function)
        text = f"{text} Bound the wait, and call `{program}.kill()` where `TimeoutError` comes out of it, for the program runs on:"
    if outside is None:
        return text if note else f"{text} Run it where it can be given up: in a process or a job with a time limit."
    if GAP in outside.code:  # too long to be written again
        written_as = outside.code.removeprefix("await ").partition("(")[0]
        return fix(
            f"{text} Give what line {place.site.line if place.site is not None else effect.site.line} runs to `{written_as}()`, with `timeout={place.extra['seconds']}`."
        )
    return fix(f"{text} {outside.text}".strip(), "", outside.code)


def _on_client(name: str, effect: EffectAt, seconds: str) -> str:
    """`client.set_timeout(10)` or `client.http.timeout = 10` for a name that belongs to the receiver's class."""
    owner = effect.name.rpartition(".")[0]
    func = effect.site.fact.func
    if not owner or not name.startswith(f"{owner}.") or not isinstance(func, f.Attr):
        return ""
    path = f"{written(func.value, effect.function)}.{name.removeprefix(f'{owner}.')}"
    return f"{path}({seconds})" if _last(name).startswith("set") else f"{path} = {seconds}"


_FOR_FEW = re.compile(r"(^|[/_.-])(dev|development|local|test|tests|testing|ci|example|debug)([/_.-]|$)", re.IGNORECASE)
"""Settings of one environment, in which production does not run."""


def _by_setting(place: Place, setting: str, nested: tuple[str, ...]) -> str:
    """A setting that the project does not make yet, beside its kin; `nested` (`TABLE.key`): where it has a table of settings, a key there."""
    settings = place.model.settings
    tables = sorted(
        (s for name in nested for s in settings.get(name.partition(".")[0])), key=lambda s: (s.path, s.line)
    )
    if tables:
        table = tables[-1]
        key = next(name.rpartition(".")[2] for name in nested if name.startswith(f"{table.name}."))
        text = f"Set the limit for all of them in `{table.name}` (`{table.path}:{table.line}`), in the options of each entry:"
        return fix(text, "", f'{{"{key}": {place.extra["seconds"]}}}')
    prefix = f"{setting.partition('_')[0]}_"
    kin = [s for name in settings.names if name.startswith(prefix) and "." not in name for s in settings.get(name)]
    homes = [s for s in kin if place.model.is_reviewed(s.path) and re.search(r"settings|config|conf\b", s.path)]
    kin = sorted((s for s in homes if not _FOR_FEW.search(s.path)), key=lambda s: (s.path, s.line))
    beside = f", beside `{kin[0].name}` (`{kin[0].path}:{kin[0].line}`)" if kin else ""
    return fix(f"Set the limit for all of them in the settings{beside}:", "", f"{setting} = {place.extra['seconds']}")
