"""How a fix is put together: the place at hand, the recipe that fits it, the code base's own example, a snippet."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from roadworthy.advice.code import (
    GAP,
    WHOLE,
    apply_text,
    argument_texts,
    call_text,
    callee_text,
    signature_text,
    statement_text,
)
from roadworthy.advice.layout import broken
from roadworthy.advice.sessions import session_name, waits
from roadworthy.advice.shelf import Filled, Situation, choose
from roadworthy.advice.stack import family_of, stack_of
from roadworthy.project.silence import logger_near

if TYPE_CHECKING:
    from roadworthy.advice.shelf import Recipe
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


_OF_SESSIONS = frozenset({
    "insert-first", "insert-or-find", "insert-or-refuse", "insert-again", "upsert", "dedup", "lock", "on-commit",
})  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where the fix goes, and what is at hand there."""

    model: Model
    function: Function
    site: CallSite | None = None
    names: tuple[str, ...] = ()  # library names that decide, before those of the call
    extra: dict[str, str] = field(default_factory=dict)  # more holes

    @cached_property
    def situation(self) -> Situation:
        """What a recipe is chosen by."""
        model = self.model
        of_site = model.library_names(self.site) if self.site is not None else ()
        names = tuple(dict.fromkeys((*self.names, *of_site)))
        families = tuple(dict.fromkeys(f for f in (family_of(model, name) for name in names) if f))
        stack = stack_of(model)
        return Situation(families, names, frozenset(stack.uses) | stack.required, self.function.is_async, stack.python)

    @cached_property
    def filling(self) -> dict[str, str]:
        """The holes that every recipe may use."""
        found = {
            "name": self.function.name if self.function.kind == "function" else self.function.qualname.strip("<>"),
            "signature": signature_text(self.function) if self.function.kind == "function" else "",
            "await_": "await " if self.function.is_async else "",
            "logger": logger_near(self.model, self.function),
            "session": session_name(self.function),
        }
        if self.site is not None:
            awaits = "await " if self.site.fact.awaited else ""
            found |= {
                "callee": callee_text(self.site),
                "owner": callee_text(self.site).rpartition(".")[0],
                "what": _plain(callee_text(self.site)),
                "bare": call_text(self.site, width=WHOLE),
                "call": awaits + call_text(self.site, width=WHOLE),
                "statement": self._statement,
                "args": apply_text("", argument_texts(self.site), width=WHOLE)[1:-1],
            }
        return found | self.extra

    @property
    def _statement(self) -> str:
        """The statement of the call; its place where it is too long to be written again."""
        site = self.site
        if site is None:
            return ""
        text = statement_text(site)
        if text == GAP:  # a part of more than itself
            text = f"{'await ' if site.fact.awaited else ''}{call_text(site, width=WHOLE)}"
        return text if GAP not in text else f"...  # line {site.line}, as it is"

    def pick(self, topic: str) -> Filled | None:
        """The recipe for a topic that fits here."""
        if topic not in _OF_SESSIONS or waits(self.function) is self.function.is_async:
            return choose(topic, self.situation, self.filling)
        return choose(topic, replace(self.situation, is_async=False), self.filling | {"await_": ""})


def _plain(callee: str) -> str:
    """A callee that may stand in a message."""
    return callee if all(part.isidentifier() for part in callee.split(".")) else callee.rpartition(".")[2].strip("()")


def fix(text: str, cited: str = "", code: str = "", language: str = "python") -> str:
    """The sentence, the place to copy from, the snippet."""
    prose = " ".join(part for part in (text, cited) if part)
    body = code.strip("\n")
    body = broken(body) if language == "python" else body
    if not body:
        return f"{prose[:-1]}." if prose.endswith(":") else prose
    return f"{prose}\n```{language}\n{body}\n```"


def recipe_fix(place: Place, topic: str, cited: str = "") -> str:
    """The fix that a recipe gives, with the code base's own example where there is one."""
    filled = place.pick(topic)
    if filled is None:
        return cited
    text = filled.text
    if cited and text.endswith(":"):
        text = f"{text[:-1]}."
    return fix(text, cited, filled.code, _language(filled.recipe))


def _language(recipe: Recipe) -> str:
    return recipe.language
