"""What a `save()` of a row writes beside the number that is counted: every column as it was loaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.advice.code import callee_text
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.database.mutations import Mutation

_TOUCHED = re.compile(r"(^|_)(updated|modified|changed)(_|$)")
_MOST = 6  # names in one sentence


def fields_saved(mutation: Mutation) -> str:
    """` Name …` of the columns that a `save()` of the whole row is to write; "" where it says so already."""
    write, scope = mutation.write, mutation.function.scope
    if write is None or not callee_text(write).endswith("save") or write.fact.kwargs or write.fact.args:
        return ""
    owned = f"{mutation.owner}."
    set_here = [
        text.removeprefix(owned)
        for assign in scope.assigns
        if assign.order < write.fact.order
        and (text := flow.text_of(assign.target, scope)).startswith(owned)
        and text.count(".") == owned.count(".")
    ]
    columns = mutation.table.columns if mutation.table is not None else ()
    touched = [c.attribute for c in columns if c.generated and _TOUCHED.search(c.attribute)]
    names = list(dict.fromkeys([*set_here, *touched]))
    if not names or len(names) > _MOST:
        return " Name what it writes in `update_fields`, or it puts back every other column as it was loaded."
    listed = ", ".join(f'"{name}"' for name in names)
    return f" Give it `update_fields=[{listed}]`, or it puts back every other column as it was loaded."
