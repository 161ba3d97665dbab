"""Fixes for what is sent before the transaction has committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import WHOLE, apply_text, argument_texts, call_text, callee_text, is_call
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite

_SENDS = (
    Effect.ENQUEUE, Effect.PUBLISH, Effect.START_DURABLE, Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.OBJECT_DELETE,
)  # fmt: skip
_WRITES = (Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.SQL_INCREMENT, Effect.SQL_DELETE)


def on_commit(
    model: Model,
    site: CallSite,
    call: str,
    known: tuple[str, ...] = (),
    below: tuple[CallSite, ...] = (),
    *,
    by_callers: bool = False,
) -> str:
    """Send after the transaction has committed; where the call also writes, at the first place in it that only sends.

    `known`: library names of what opens or commits it, where the caller has found them; `below`: the calls from this one down to what sends;
    `by_callers`: it is not opened in the function of the call, which has no session to end.
    """
    guard = model.transaction_over(site)
    names: tuple[str, ...] = known or ((guard.name,) if guard is not None else ())
    if not known and guard is not None and guard.form == "framework":
        names = tuple(entry.source for entry in model.entries.at(site.function))
    if not known and guard is None:
        names = tuple(dict.fromkeys(effect.name for effect in model.effects_under(site.function, *_WRITES)))[:3]
    if site.fact.use == "raised":
        return f"Leave the transaction first: raise `{call}` behind the block that opens it."
    inner = _sender(model, site, below)
    needed = _is_needed(inner or site)
    if needed:
        call = callee_text(inner) + "()" if inner is not None else call
        return (
            f"The result of `{call}` is used at once, so the call cannot be put off: end the transaction before it, or store the message as a "
            "row in the transaction and send from there."
        )
    sends = inner or site
    place = Place(model, sends.function, sends, names, {"deferred": _deferred(sends)})
    own = best(model, "on-commit", sends.function, accept=lambda p: p.definition is not None)
    where = f"`{sends.function.qualname}()` (`{sends.path}:{sends.line}`)" if inner is not None else ""
    if own is not None:
        text = f"Send `{call}` after the commit." if not where else f"Send after the commit, in {where}."
        return fix(text, cite(own, sends.function), f"{own.name[:-2]}({_deferred(sends)})")
    families = place.situation.libraries
    example = best(model, "on-commit", sends.function, accept=lambda p: p.family in families)
    filled = place.pick("on-commit")
    if by_callers and filled is not None and ".commit()" in filled.code:
        return f"Leave `{call}` to the callers, behind the end of their transactions: give back what is to be sent or deleted there."
    if not where or filled is None:
        return recipe_fix(place, "on-commit", cite(example, sends.function))
    text = f"`{callee_text(site)}()` also writes: defer only what {where} sends{':' if example is None else '.'}"
    return fix(text, cite(example, sends.function), filled.code)


def _is_needed(site: CallSite) -> bool:
    """Does the code go on with what the call returns: an id that is stored, a value that is returned?"""
    if site.fact.use != "assigned":
        return site.fact.use not in {"discarded", "yielded"}
    names = {
        a.target.id
        for a in site.function.scope.assigns
        if isinstance(a.target, f.Name) and a.value is not None and is_call(_bare(a.value), site)
    }
    return not names or any(site.function.scope.last_read.get(name, -1) > site.fact.order for name in names)


def _bare(value: f.Expr) -> f.Expr:
    return value.value if isinstance(value, f.Await) else value


def _sender(model: Model, site: CallSite, below: tuple[CallSite, ...]) -> CallSite | None:
    """The call further in that sends and does not write, with the handlers around the sending in it, where the call at hand writes rows too."""
    if any(effect.effect in _SENDS for effect in model.effects_at(site)):
        return None
    if below and model.effects_through(site, *_WRITES):
        return next((call for call in below if not model.effects_through(call, *_WRITES)), below[-1])
    sent = model.effects_through(site, *_SENDS)
    if not sent or not model.effects_through(site, *_WRITES):
        return None
    return min(sent, key=lambda effect: (_SENDS.index(effect.effect), effect.site.path, effect.site.line)).site


def _deferred(site: CallSite) -> str:
    """The call as a callable: itself where it takes nothing, a partial in loops, where a lambda would see the last round."""
    args = argument_texts(site)
    if not args:
        return callee_text(site)
    if flow.loop_of(site.function.scope, site.fact.region) is not None:
        return apply_text("partial", [callee_text(site), *args], width=WHOLE)
    return f"lambda: {call_text(site, width=WHOLE)}"
