"""Fixes for rows that two runs take: the statement that marks them says which state they had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, call_text, callee_text, written
from roadworthy.advice.database import mappers, value_text
from roadworthy.advice.fixes import Place, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.advice.stack import family_of
from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.advice.patterns import Pattern
    from roadworthy.project.database.claims import Claim
    from roadworthy.project.model import Model


_COMMITS = "set it and commit before the work"
_COMMITS_ALL = (
    "set it on all of them and commit once before the work (a commit in the loop gives up the locks of the rest)"
)


def claim(model: Model, found: Claim) -> str:
    """Take rows in the statement that marks them."""
    function, read = found.function, found.read.access.site
    names = mappers(found.table.model)
    extra = {
        "model": found.table.model.name if found.table.model is not None else "",
        "column": found.column,
        "was": _old_state(found),
        "new": _new_state(found),
        "row": _row_name(found),
        "leave": "continue" if _in_a_loop(found) else "return",
        "lock": "with_for_update()" if found.asked else "with_for_update(skip_locked=True)",
        "read_at": f"line {read.line}" if read.path == function.path else f"`{read.path}:{read.line}`",
        "update_at": str(found.line) if found.write is not None and callee_text(found.write).endswith("update") else "",
        "update": "aupdate" if function.is_async else "update",
    }
    family = next((name for base in names if (name := family_of(model, base))), "")
    own = best(model, "row-lock", function, family, _skips_locked) if family else None
    text = recipe_fix(Place(model, function, None, names, extra), "claim", cite(own, function))
    return text.replace(_COMMITS, _COMMITS_ALL) if _in_a_loop(found) and not found.asked else text


def _old_state(found: Claim) -> str:
    """The state by which rows are picked, as a filter: `status="new"`, `sent_at=None`; "" where it is not written there."""
    column = found.table.column(found.column)
    for match in found.read.access.lookup:
        if match.value is None or match.op not in {"eq", "null"} or found.table.column(match.column) is not column:
            continue
        text = value_text(match)
        if match.op == "null":
            return f"{found.column}__isnull=True" if text in {"None", "True"} else ""
        return f"{found.column}={text}" if GAP not in text else ""
    flag = {"True": "False", "False": "True"}.get(_new_state(found), "")  # a flag that is turned had the other value
    return f"{found.column}={flag}" if flag and found.asked else ""


def _row_name(found: Claim) -> str:
    """The variable that holds the row where its state is set: `order` of `order.status = …`, `order.save()`, `mark(order)`."""
    function = found.function
    targets = [a.target for a in function.scope.assigns if a.line == found.line]
    named = [t.value.id for t in targets if isinstance(t, f.Attr) and isinstance(t.value, f.Name)]
    each = [
        a.target.id
        for a in function.scope.assigns
        if a.op == "for" and isinstance(a.target, f.Name) and a.target.id in found.rows and a.line <= found.line
    ]
    only = list(found.rows) if found.asked and len(found.rows) == 1 else []
    return next(iter((*named, *reversed(each), *only)), "")


def _in_a_loop(found: Claim) -> bool:
    scope = found.function.scope
    regions = [a.region for a in scope.assigns if a.line == found.line and isinstance(a.target, f.Attr)]
    regions += [found.write.fact.region] if found.write is not None else []
    return any(flow.loop_of(scope, region) is not None for region in regions)


def _skips_locked(pattern: Pattern) -> bool:
    """Only a lock that others step over is an example for a claim."""
    return any(site is not None and "skip_locked" in call_text(site) for site in (use.site for use in pattern.uses))


def _new_state(found: Claim) -> str:
    scope = found.function.scope
    assigned = (a.value for a in scope.assigns if a.line == found.line and isinstance(a.target, f.Attr))
    given = (v for k, v in (found.write.fact.kwargs if found.write is not None else ()) if k == found.column)
    value = next((v for v in (*assigned, *given) if v is not None), None)
    text = written(value, found.function)
    return text if 0 < len(text) <= 40 and GAP not in text else ""
