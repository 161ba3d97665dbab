"""Work beside the purpose of the code (a notification, a metric, an index, a hook) whose failure becomes the failure of the main work."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.afterwards import afterwards
from roadworthy.project.answers import is_answered_for, refuses
from roadworthy.project.asidewords import PURPOSE, WORDS, Family
from roadworthy.project.failures import Outcome
from roadworthy.project.phrases import words_of
from roadworthy.project.purpose import acts, drives_program
from roadworthy.project.reports import ended, reporting_handler, tells_of_failure
from roadworthy.project.rowsignals import announced_in
from roadworthy.project.transactions import WRITES, Transactions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.calls import Edge
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo

_MAILS = frozenset({Effect.EMAIL, Effect.SMS})
_PARAMETER = re.compile(r"<[^>]*>|\{[^}]*\}")
_LOOKS_UP = re.compile(r"_*a?(get|find|fetch)_or_(create|make|insert|add|new)")
_HOOK = re.compile(r"_*((run|call|invoke|fire|execute|trigger)_)?(post|after)_(\w+_)?hooks?")
_SENT = frozenset({Effect.NOTIFY, Effect.HTTP_REQUEST, Effect.RPC, Effect.EMAIL, Effect.SMS, Effect.OUTSIDE})
_ROWS = frozenset({Effect.SQL_READ, Effect.SQL, Effect.COMMIT, Effect.FLUSH, Effect.CONNECT, *WRITES})
_ANSWERED = frozenset({
    EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER, EntryKind.LAMBDA_HANDLER, EntryKind.QUEUE_CONSUMER, EntryKind.JOB,
    EntryKind.DURABLE_ACTIVITY,
})  # fmt: skip
_REQUESTS = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER, EntryKind.MIDDLEWARE})
_NEAR = _CLOSE = 4  # calls between the aside and its effect; between the entry and the function
_MANY = 40  # a call with more effects does the work itself
_ABANDONED = frozenset({"except", "finally"})


@dataclass(frozen=True, slots=True)
class Aside:
    """A call beside the purpose, and what its failure breaks."""

    how: Literal["after-write", "request", "answered", "announced", "report"]
    family: Family
    site: CallSite
    effect: EffectAt | None  # what fails; None: a hook, which may raise anything
    outcome: Outcome  # where the failure ends
    done: CallSite | None = None  # after-write: the call that made the main work final
    wrote: EffectAt | None = None  # after-write: the row that it stored, where known
    signal: str = ""  # announced: the signal of the write, as `post_save`
    sender: ClassInfo | None = None  # announced: the model whose rows are written
    handler: Handler | None = None  # report: the handler in which it stands

    @property
    def entry(self) -> Entry | None:
        """The entry that fails."""
        return self.outcome.entry


class Asides:
    """Finds them in one model."""

    def __init__(self, model: Model) -> None:
        """Everything is found on demand."""
        self._model = model
        self._transactions = Transactions(model)
        self._committing: frozenset[str] | None = None

    def all(self) -> Iterator[Aside]:
        """The first of each function and family; then what middleware does with the answer in hand."""
        told: set[CallSite] = set()
        for function in self._model.functions:
            if function.kind != "function":
                continue
            seen: set[Family] = set()
            for site in function.calls:
                found = self._at(site)
                if found is not None and found.family not in seen:
                    seen.add(found.family)
                    told.add(found.site)
                    yield found
        for entry, site, effect in afterwards(self._model):
            if site not in told:
                yield Aside("answered", "notification", site, effect, Outcome("fails", entry=entry))

    def _at(self, site: CallSite) -> Aside | None:
        if _is_abandoned(site) and not _HOOK.fullmatch(flow.last_name(site.fact.func)):
            return self._report(site)
        family, effect = self._nature(site)
        if family is None or (family != "hook" and refuses(site.function, site.fact.order, site.fact.region)):
            return None  # the work has failed already, and the answer says so
        stored = self._stored_before(site, effect)
        if stored is not None and family == "hook":
            return Aside("after-write", family, site, None, Outcome("fails"), *stored) if _goes_on(site) else None
        if stored is not None and not is_answered_for(site, stored[0]):
            outcome = self._ends(site, family, _ANSWERED)
            if outcome is not None:
                return Aside("after-write", family, site, effect, outcome, *stored)
        if stored is None and family != "hook" and effect is not None:
            found = self._announced(site, family, effect)
            if found is not None:
                return found
        if family == "measurement" and effect is not None and effect.effect in _SENT and not _reads(effect):
            outcome = self._ends(site, family, _REQUESTS)
            if outcome is not None and not self._is_inside(site, family, outcome):
                return Aside("request", family, site, effect, outcome)
        return None

    def _report(self, site: CallSite) -> Aside | None:
        """In a handler that keeps a failure where it is: what tells of that failure fails itself."""
        handler = reporting_handler(self._model, site)
        for effect in self._model.escapes.at(site) if handler is not None else ():
            told = tells_of_failure(self._model, site, effect, self._path(site, effect))
            if told and not self._caught(site, effect) and (outcome := ended(self._model, site)) is not None:
                kind: Family = "mail" if effect.effect in _MAILS else "notification"
                return Aside("report", kind, site, effect, outcome, handler=handler)
        return None

    def _announced(self, site: CallSite, family: Family, effect: EffectAt) -> Aside | None:
        """In a receiver of the signal that a row was written: whoever writes such a row gets the failure."""
        about = PURPOSE["notification" if family == "mail" else family]
        for outcome in self._model.failures.of(site):
            signal, sender = announced_in(self._model, outcome)
            if outcome.path and _mentions(about, [site.function.name]):
                continue  # a step of the telling itself: the call of it, further out, is the place to speak of
            if signal and len(outcome.path) <= _CLOSE and all(_is_by_name(edge) for edge in outcome.path):
                return Aside("announced", family, site, effect, outcome, signal=signal, sender=sender)
        return None

    # --- the aside ----------------------------------------------------------------------------------------------------

    def _nature(self, site: CallSite) -> tuple[Family | None, EffectAt | None]:
        """What kind of aside the call is, and what of it may fail here; nothing else of note may happen in the call."""
        if _HOOK.fullmatch(flow.last_name(site.fact.func)) and not self._caught(site, None):
            return "hook", None
        if site.fact.use not in {"discarded", "assigned"}:
            return None, None
        if site.fact.use == "assigned" and not self._names_rows(site):
            return None, None
        below = self._model.escapes.at(site)
        if len(below) > _MANY:
            return None, None
        failing = [e for e in below if _may_fail(e) and not self._caught(site, e)]
        families = {family for effect in failing if (family := self._family(site, effect)) is not None}
        if len(families) != 1:
            return None, None
        family = families.pop()
        others = [e for e in self._model.effects_through(site) if acts(e) and self._family(site, e) is None]
        if any(e.effect not in {Effect.COMMIT, Effect.CONNECT} for e in others):
            return None, None
        found = [e for e in failing if self._family(site, e) == family]
        return family, min(found, key=lambda e: (len(self._path(site, e)), e.site.path, e.site.line))

    def _family(self, site: CallSite, effect: EffectAt) -> Family | None:
        library = self._model.knowledge.library_of(effect.name)
        role = set(library.role) if library is not None else set()
        path = self._path(site, effect)
        names = [self._model.callee_text(site), *(edge.callee.qualname for edge in path[:2])]
        if effect.effect in _SENT and not drives_program(self._model, effect):
            if len(path) > _NEAR or not all(_is_by_name(edge) for edge in path):
                return None
            if effect.effect is Effect.NOTIFY and not role & {"web"}:
                return "notification"
            if "observability" in role or (
                _says("measurement", names) and effect.effect in {Effect.HTTP_REQUEST, Effect.RPC}
            ):
                return "measurement"
            if _says("notification", names):
                return "notification"
            return "mail" if effect.effect in _MAILS else None
        if effect.effect in WRITES and effect.row.secondary and "search" in role and len(path) <= _NEAR:
            return "search index"
        if effect.effect in _ROWS and self._names_rows(site):
            return "measurement"
        return None

    def _names_rows(self, site: CallSite) -> bool:
        """`RunMetrics.read(…)`: rows that only measure, told by the class on which the call is made."""
        func = site.fact.func
        owner = func.value if isinstance(func, f.Attr) else None
        return isinstance(owner, f.Name) and owner.id[:1].isupper() and _says("measurement", [owner.id])

    def _path(self, site: CallSite, effect: EffectAt) -> list[Edge]:
        if effect.site is site:
            return []
        for edge in self._model.edges_at(site):
            if edge.callee is effect.function:
                return [edge]
        paths = [[edge, *self._model.reach.path_down(edge.callee, effect)] for edge in self._model.edges_at(site)]
        ends = [path for path in paths if path[-1].callee is effect.function]
        return min(ends, key=len, default=[])

    def _caught(self, site: CallSite, effect: EffectAt | None) -> bool:
        return self._model.escapes.stopped(self._model.guards_on(site), effect)

    # --- the main work --------------------------------------------------------------------------------------------------

    def _stored_before(self, site: CallSite, effect: EffectAt | None) -> tuple[CallSite, EffectAt | None] | None:
        """(the call that made a write final on every way to the aside, the write), nothing where a rollback would undo it."""
        model, function = self._model, site.function
        if self._transactions.around(site) is not None or model.transaction_over(site) is not None:
            return None
        if any(guard.kind is GuardKind.ON_COMMIT for guard in model.guards_on(site)):
            return None
        found: tuple[CallSite, EffectAt | None] | None = None
        for other in function.calls:
            if other.fact.order >= site.fact.order:
                continue
            if not _always_before(other, site):
                continue
            if _LOOKS_UP.fullmatch(flow.last_name(other.fact.func)):
                continue  # what the work hangs on, not the work
            wrote = self._wrote(other)
            commits = any(e.effect is Effect.COMMIT for e in model.effects_at(other))
            if commits:
                last = found[1] if found is not None else None
                found = (other, last or self._last_write(other))
            elif wrote is not None and self._is_final(other, wrote):
                found = (other, wrote)
        if found is None or (
            found[1] is None and effect is not None and effect.effect not in _ROWS and not self._is_dirty(found[0])
        ):
            return None
        return found

    def _wrote(self, site: CallSite) -> EffectAt | None:
        """The main write in a call: a row or money."""
        for effect in self._model.effects_through(site, Effect.CHARGE, *sorted(WRITES, key=lambda w: w.value)):
            path = self._path(site, effect)
            names = [effect.function.name, *(edge.callee.name for edge in path), flow.last_name(site.fact.func)]
            names += [effect.model.name] if effect.model is not None else []
            if effect.secondary or len(path) > _NEAR or (path == [] and effect.site is not site):
                continue
            if not any(_BESIDE.fullmatch(word) for name in names for word in words_of(name)):
                return effect
        return None

    def _is_final(self, site: CallSite, wrote: EffectAt) -> bool:
        """Money is moved at once; rows are stored with a commit inside the call, or where nobody ever commits by hand."""
        if wrote.effect is Effect.CHARGE:
            return True
        if self._model.reach.site_reaches(site, {Effect.COMMIT}):
            return site.fact.use != "context"
        knowledge = self._model.knowledge
        library = knowledge.library_of(wrote.name)
        if library is None or self._commits_by_hand():
            return False
        if {"orm", "store"} & set(library.role):
            return wrote.model is not None
        # `serializer.save()`: not the mapper itself, but it fails as that does
        below = (knowledge.library_of(error) for error in wrote.row.raises)
        return any(one is not None and {"orm", "sql-driver"} & set(one.role) for one in below)

    def _commits_by_hand(self) -> bool:
        if self._committing is None:
            self._committing = frozenset(effect.name for effect in self._model.effects_of(Effect.COMMIT))
        return bool(self._committing)

    def _last_write(self, commit: CallSite) -> EffectAt | None:
        before = [s for s in commit.function.calls if s.fact.order < commit.fact.order]
        for site in reversed(before):
            if flow.may_precede(commit.function.scope, site.fact, commit.fact):
                wrote = self._wrote(site)
                if wrote is not None:
                    return wrote
        return None

    def _is_dirty(self, commit: CallSite) -> bool:
        """`order.paid = True` in front of the commit."""
        return any(
            isinstance(assign.target, f.Attr) and assign.order < commit.fact.order
            and not (isinstance(assign.target.value, f.Name) and assign.target.value.id == "self")
            for assign in commit.function.scope.assigns
        )  # fmt: skip

    # --- where it ends --------------------------------------------------------------------------------------------------

    def _ends(self, site: CallSite, family: Family, kinds: frozenset[EntryKind]) -> Outcome | None:
        """The nearest entry that fails with it and is not about such work itself."""
        function = site.function
        own = [function.name, *([function.cls.name] if function.cls is not None else [])]
        about = PURPOSE["notification" if family == "mail" else family]
        if kinds is not _REQUESTS and _mentions(about, own):
            return None
        outcomes = [
            o for o in self._model.failures.of(site)
            if o.detached is None and (o.kind == "fails" or (o.kind == "retried" and o.handler is None and o.guard is None))
        ]  # fmt: skip
        for outcome in sorted(outcomes, key=lambda o: len(o.path)):
            entry = outcome.entry
            if entry is None:
                continue
            if entry.kind not in kinds or len(outcome.path) > _CLOSE or _is_bot(self._model, entry):
                continue
            if family == "mail" and entry.kind not in _REQUESTS and not entry.repeats:
                continue  # the mail is the result of such a job, and it comes last
            if any(_is_abandoned(edge.site) for edge in outcome.path):
                continue
            if not all(_is_by_name(edge) for edge in outcome.path):
                continue
            names = [
                entry.function.name,
                _PARAMETER.sub("", entry.label).rpartition("/")[2],
                *(edge.caller.name for edge in outcome.path),
            ]
            names += [entry.function.cls.name] if entry.function.cls is not None else []
            names += [entry.function.module.path.rpartition("/")[2].removesuffix(".py")]
            if entry.kind is EntryKind.MIDDLEWARE or not _mentions(about, names):
                return outcome
        return None

    def _is_inside(self, site: CallSite, family: Family, outcome: Outcome) -> bool:
        """A step inside the measuring itself: the call of it, further out, is the place to speak of."""
        entry = outcome.entry
        if entry is not None and entry.function is site.function:
            return False
        return _says(family, [site.function.qualname, site.function.module.path.rpartition("/")[2].removesuffix(".py")])


_BESIDE = re.compile(
    r"telemetry|analytics?|metrics?|stats?|audit|logs?|cache|cached|heartbeat|sessions?|history|attempts?|seen|views?"
)


def _says(family: Family, names: list[str]) -> bool:
    return any(WORDS[family].fullmatch(word) for name in names for word in words_of(name))


def _mentions(pattern: re.Pattern[str], names: list[str]) -> bool:
    return any(pattern.fullmatch(word) for name in names for word in words_of(name))


def _may_fail(effect: EffectAt) -> bool:
    """Leaves the process, and tells when that fails."""
    word = effect.effect.word
    return (
        (word.external or effect.effect is Effect.OUTSIDE)
        and not word.telemetry
        and effect.effect not in {Effect.CACHE_READ, Effect.CACHE_WRITE}
    )


def _reads(effect: EffectAt) -> bool:
    """Asks for something instead of reporting it."""
    return effect.name.rpartition(".")[2].startswith(("get", "list", "search", "count", "query", "describe"))


def _goes_on(site: CallSite) -> bool:
    """Has the function more to do after this call?"""
    scope = site.function.scope
    end = max(
        (scope.regions[r].end for t, _ in flow.try_regions(scope, site.fact.region) for r in flow.siblings(scope, t)),
        default=site.fact.order,
    )
    return any(call.order >= end and call is not site.fact for call in scope.calls)


def _is_by_name(edge: Edge) -> bool:
    """Is the callee called as itself? What runs whatever it is given (`run_in_thread(function)`) leads from everywhere to everywhere."""
    name = edge.callee.name
    return name.startswith("__") or flow.last_name(edge.site.fact.func) == name


def _is_bot(model: Model, entry: Entry) -> bool:
    """A handler of a chat library: to answer in the chat is what it is for."""
    library = model.knowledge.library_of(entry.source.lstrip("@"))
    return library is not None and "chat" in library.role


def _is_abandoned(site: CallSite) -> bool:
    scope = site.function.scope
    return any(scope.regions[region].kind in _ABANDONED for region in flow.ancestors(scope, site.fact.region))


def _always_before(first: CallSite, second: CallSite) -> bool:
    """Has `first` run whenever `second` does? A `with` is passed; a `try` whose handlers all leave as well."""
    scope = first.function.scope
    region = first.fact.region
    while region > 0 and not flow.within(scope, second.fact.region, region):
        here = scope.regions[region]
        if here.kind == "try":
            if any(scope.regions[r].exits not in {"return", "raise"} for r in flow.handlers_of(scope, region)):
                return False
        elif here.kind not in {"with", "try_else"}:
            return False
        region = here.parent
    return True
