"""What the extractor and the reference may say differently."""

from __future__ import annotations

from msgspec.structs import replace

from roadworthy.facts.schema import Other, Scope

CLAUSES = frozenset({"else", "loop_else", "try_else", "finally", "case"})
"""`ast` does not know on which line these words stand."""


def without_what_ast_cannot_say(scope: Scope) -> Scope:
    """A scope without the lines of clauses, the text of patterns and the parentheses around iterables."""
    regions = tuple(
        replace(
            region,
            line=0 if region.kind in CLAUSES else region.line,
            target=Other("") if region.kind == "case" else region.target,
        )
        for region in scope.regions
    )
    assigns = tuple(
        replace(a, value=None, line=0, end_line=0)
        if a.op == "case"
        else replace(a, line=0, end_line=0)
        if a.op == "for"
        else a
        for a in scope.assigns
    )
    return replace(scope, regions=regions, assigns=assigns)
