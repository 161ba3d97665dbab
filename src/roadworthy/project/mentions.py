"""Does a class deal with a subject at all? The last resort where values cannot be followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.symbols import ClassInfo


def _is_word(expr: f.Expr, word: str) -> bool:
    return isinstance(expr, f.Str) and expr.value.lower() == word


def mentions(cls: ClassInfo, word: str) -> bool:
    """Does a project class, its ancestors included, name anything like `word` (a keyword, an attribute, a parameter)?"""
    for ancestor in cls.mro:
        for function in ancestor.module.functions:
            if function.cls is not ancestor:
                continue
            scope = function.scope
            if any(word in param.name.lower() for param in scope.params):
                return True
            if any(word in keyword.lower() for call in scope.calls for keyword, _ in call.kwargs):
                return True
            if any(
                _is_word(arg, word) for call in scope.calls for arg in call.args
            ):  # `kwargs.setdefault("timeout", 10)`
                return True
            if any(word in name.lower() for name in scope.last_read):
                return True
            if any(word in flow.text_of(assign.target, scope).lower() for assign in scope.assigns):
                return True
    return False
