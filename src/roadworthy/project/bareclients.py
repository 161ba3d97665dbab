"""Calls of other people's services that nothing repeats, by the class or module that makes them: there, one retry mends them all.

What such a failure costs is told elsewhere where it is known (`attempts`: the job, loop or run that ends). Here are the rest: it
reaches a caller, a plug-in's host or a person as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect, EntryKind, GuardKind
from roadworthy.project.attempts import (
    REMOTE,
    Attempts,
    all_losses,
    attempts_of,
    in_handler,
    is_infrastructure,
    is_telemetry_name,
    repeats_failures,
)
from roadworthy.project.phrases import says_closing, says_probe
from roadworthy.project.purpose import is_aside, is_called_by_nobody
from roadworthy.project.remedies import owner_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.clients import RetryVerdict
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.failures import Outcome
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

    _Owner = tuple[str, ClassInfo | None]

_ASKED = tuple(sorted(
    REMOTE - {Effect.EMAIL, Effect.SMS, Effect.CHARGE, Effect.VECTOR_INSERT, Effect.START_DURABLE}, key=lambda e: e.value
))  # fmt: skip
"""What may be asked for again without a second mail, payment or row."""
_BY_HAND = frozenset({EntryKind.COMMAND, EntryKind.IMPORT_TIME})
_TOLD = frozenset({EntryKind.JOB, EntryKind.SCHEDULED})
"""Whether their work is lost is asked in `attempts`, where also a declaration that once is enough is heard."""
_SERVED = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER})
_SAME_NAME = frozenset({"client.py", "api.py", "__init__.py", "main.py", "service.py", "datasource.py", "adapter.py"})
_MONITORS = re.compile(r"(^|/)(monitoring|monitors?|statistics|stats)/")
_MANY = 4
_ONE_MORE = 2


@dataclass(frozen=True, slots=True)
class BareCall:
    """A call that is made once, and one way that its failure goes."""

    effect: EffectAt
    outcome: Outcome

    @property
    def site(self) -> CallSite:
        """Where it stands."""
        return self.effect.site

    @property
    def is_watched(self) -> bool:
        """A person started the program that it ends."""
        entry, top = self.outcome.entry, self.outcome.top or self.effect.function
        return entry.kind in _BY_HAND if entry is not None else top.kind == "module"


@dataclass(frozen=True, slots=True)
class Bare:
    """The calls that one repair mends."""

    calls: tuple[BareCall, ...]
    owners: tuple[_Owner, ...]
    repeated: EffectAt | None = None  # a call of the same library by the same owner that is repeated
    folder: str = ""  # of several owners that all do the same

    @property
    def is_watched(self) -> bool:
        """Functions of a program that somebody starts by hand, and no client that others may use."""
        return all(owner is None for _, owner in self.owners) and all(call.is_watched for call in self.calls)


def bare_clients(model: Model) -> Iterator[Bare]:
    """All of reviewed code, in the order of the files."""
    told = {loss.effect.site for loss in all_losses(model)}
    attempts = attempts_of(model)
    owners: dict[_Owner, list[BareCall]] = {}
    repeated: dict[tuple[str, ClassInfo | None, str], EffectAt] = {}
    for effect in model.effects_of(*_ASKED):
        if is_infrastructure(model, effect) or effect.row.never_raises:
            continue
        owner = (effect.site.path, owner_of(effect.function))
        own = model.client_retry(effect)
        if model.coverage(effect.site, _repeats).somewhere or (own.repeats and own.site is not None):
            repeated.setdefault((*owner, _root(effect)), effect)
        elif effect.site not in told and not _repeats_enough(own) and _counts(model, effect):
            outcome = _unrepeated(model, attempts, effect)
            if outcome is not None:
                owners.setdefault(owner, []).append(BareCall(effect, outcome))
    folders = _folders(owners)
    for key, calls in owners.items():
        folder, keys = folders.get(key, ("", [key]))
        if not folder:
            beside = (repeated.get((*key, _root(call.effect))) for call in calls if call.effect.repeat.value == "yes")
            yield Bare(tuple(calls), (key,), next((effect for effect in beside if effect is not None), None))
        elif keys[0] == key:
            yield Bare(tuple(call for one in keys for call in owners[one]), tuple(keys), None, folder)


def _folders(owners: dict[_Owner, list[BareCall]]) -> dict[_Owner, tuple[str, list[_Owner]]]:
    """Many modules of one folder, or of folders side by side in it, that use one library directly: the habit is one cause."""
    found: dict[_Owner, tuple[str, list[_Owner]]] = {}
    for up in (1, 2):
        alike: dict[tuple[str, str], list[_Owner]] = {}
        for key, calls in owners.items():
            *folders, name = key[0].split("/")
            depth = len(folders) - up + (name not in _SAME_NAME)
            if key not in found and depth > 0:
                alike.setdefault(("/".join(folders[:depth]), _root(calls[0].effect)), []).append(key)
        found |= {key: (place[0], keys) for place, keys in alike.items() if len(keys) > _MANY for key in keys}
    return found


def _root(effect: EffectAt) -> str:
    return effect.name.partition(".")[0]


def _counts(model: Model, effect: EffectAt) -> bool:
    """Production code that does its work, and not a look at whether the other side is there."""
    function = effect.function
    if in_handler(effect.site) or effect.secondary or is_telemetry_name(function) or model.is_script(function.path):
        return False
    if is_aside(model, effect) or _MONITORS.search(function.path):
        return False
    library = model.knowledge.library_of(effect.name)
    if library is None or "mail" in library.role:
        return False  # what is repeated around a connection that sends mail is the mail, too
    return not _is_own_client(model, effect) and not _asks_for_health(function)


def _is_own_client(model: Model, effect: EffectAt) -> bool:
    """`super().request()` in a client of one's own: its retries are put on it where it is made."""
    return "super" in model.callee_text(effect.site)


def _asks_for_health(function: Function | None) -> bool:
    while function is not None:
        if function.kind == "function" and (says_probe(function.name) or says_closing(function.name)):
            return True
        function = function.parent
    return False


def _is_judged_here(entry: Entry, effect: EffectAt) -> bool:
    """Not a job; and of a request only what is safe to repeat: whether to send another payment a person decides."""
    return entry.kind not in _TOLD and (entry.kind not in _SERVED or effect.repeat.value == "yes")


def _is_loose(model: Model, effect: EffectAt, outcome: Outcome) -> bool:
    """A plain function that nobody is known to call: who will may repeat it."""
    known = outcome.entry is not None or outcome.detached is not None or owner_of(effect.function) is not None
    return not known and is_called_by_nobody(model, outcome.top or effect.function)


def _repeats_enough(own: RetryVerdict) -> bool:
    """One more attempt on a kept connection that was dropped is no retry."""
    return repeats_failures(own) or (own.repeats and own.attempts != _ONE_MORE)


def _repeats(guard: Guard) -> bool:
    return guard.kind is GuardKind.RETRY and guard.attempts not in {0, 1}


def _unrepeated(model: Model, attempts: Attempts, effect: EffectAt) -> Outcome | None:
    """The way on which nothing deals with the failure; of several the one that ends something that runs by itself."""
    known = model.failures.of(effect.site, effect.row.raises)
    if any(outcome.kind == "retried" for outcome in known):
        return None
    outcomes = [
        outcome
        for outcome in known
        if outcome.kind == "fails"
        and (outcome.entry is None or _is_judged_here(outcome.entry, effect))
        and attempts.is_plausible(outcome)
        and not attempts.has_retried_twin(outcome, effect.site)
        and not any(_asks_for_health(edge.caller) for edge in outcome.path)
        and not _is_loose(model, effect, outcome)
    ]
    return min(outcomes, key=lambda o: (o.entry is None, o.entry is not None and o.entry.kind in _BY_HAND), default=None)  # fmt: skip
