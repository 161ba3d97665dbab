"""Fixes for a lookup and an insert at hand: the statements as they are written, so that whoever comes second finds the row of the first."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, WHOLE, call_text, callee_text, statement_text, written
from roadworthy.advice.database import mappers
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite, shows
from roadworthy.advice.sessions import own_session
from roadworthy.advice.stack import family_of
from roadworthy.facts import schema as f
from roadworthy.project.database.checks import refusal, work_where_found
from roadworthy.project.database.presence import Presence

if TYPE_CHECKING:
    from roadworthy.project.database.checks import Check
    from roadworthy.project.database.tables import Table
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_BUILDS = frozenset({
    "query", "filter", "filter_by", "where", "select", "join", "order_by", "options", "select_from", "limit", "outerjoin",
})  # fmt: skip
_ASKS = frozenset({"exists", "aexists", "count", "acount", "scalar_one", "any"})  # answers that are no row
_CREATES = {"create": "get_or_create", "acreate": "aget_or_create"}


def insert_here(model: Model, check: Check, columns: tuple[str, ...]) -> str:
    """The insert at hand as one that finds the row of whoever was faster; "" where it stands in another function or is not seen whole."""
    write = check.write.site
    raw = bool(check.write.access.effect.sql)
    if raw or not check.write.direct or write.function is not check.read.site.function:
        return ""
    worked = _then_as_found(check)
    return (_found_or_created(model, check, columns) if not worked else "") or _inserted_first(model, check)


def _found_or_created(model: Model, check: Check, columns: tuple[str, ...]) -> str:
    """`order, created = Order.objects.get_or_create(…)` in place of `order = Order.objects.create(…)`."""
    write = check.write.site
    owner, _, method = callee_text(write).rpartition(".")
    family = next((name for base in mappers(check.table.model) if (name := family_of(model, base))), "")
    if family != "django" or method not in _CREATES or write.fact.args or not owner:
        return ""
    keys = {check.table.column(name) for name in columns}
    given = [(keyword, written(value, write.function)) for keyword, value in write.fact.kwargs]
    looked = [(keyword, text) for keyword, text in given if check.table.column(keyword) in keys]
    rest = [(keyword, text) for keyword, text in given if check.table.column(keyword) not in keys]
    if not looked or any(keyword == "**" or GAP in text for keyword, text in given):
        return ""
    arguments = [f"{keyword}={text}" for keyword, text in looked]
    if rest:
        pairs = ", ".join(f'"{keyword}": {text}' for keyword, text in rest)
        arguments.append(f"defaults={{{pairs}}}")
    locks = ".select_for_update()" if check.read.access.locked else ""  # as the lookup that stays beside it
    call = f"{'await ' if write.fact.awaited else ''}{owner}{locks}.{_CREATES[method]}({', '.join(arguments)})"
    name = _name_of(write)
    code = call
    answer = _answer(check)
    if answer and write.fact.use in {"assigned", "discarded"}:
        code = f"{name or '_'}, created = {call}\nif not created:\n    {answer}"
    elif name:
        code = f"{name}, created = {call}"
    elif write.fact.use == "returned":
        code = f"return ({call})[0]" if write.fact.awaited else f"return {call}[0]"
    elif write.fact.use != "discarded":
        code = f"({call})[0]" if write.fact.awaited else f"{call}[0]"
    own = best(model, "upsert", write.function, family, lambda p: shows(p, code))
    cited = cite(own, write.function)
    text = f"Let the statement on line {write.line} insert or find in one step, so that whoever comes second gets the row of the first"
    return fix(f"{text}{'.' if cited else ':'}", cited, code)


def _answer(check: Check) -> str:
    """What the function returns where the row is there, a literal: `return False`; "" where it goes on with the row."""
    scope, presence = check.function.scope, Presence(check.function, check.read.site)
    for leave in scope.leaves:
        region = scope.regions[leave.region]
        before = check.read.site.fact.order <= leave.order < check.write.site.fact.order
        if (
            before
            and leave.kind == "return"
            and isinstance(leave.value, f.Const)
            and region.kind == "if"
            and presence.sign(region.test) == 1
        ):
            return f"return {written(leave.value, check.function)}"
    return ""


def _inserted_first(model: Model, check: Check) -> str:
    """The insert as it is in a savepoint, and the lookup as it is once more where the key refuses it."""
    write, read = check.write.site, _fetch(check.read.site)
    if callee_text(write).rpartition(".")[2] in {"bulk_create", "abulk_create"}:
        code = f"{'await ' if write.fact.awaited else ''}{call_text(write, ['ignore_conflicts=True'], ('ignore_conflicts',), WHOLE)}"
        return fix(f"Let the insert (line {write.line}) pass over the rows that another run was faster with:", "", code)
    insert = statement_text(write)
    name = _name_of(write) or _written_object(check)
    method = callee_text(read).rpartition(".")[2]
    look = _call(read)
    if name and (method in _ASKS or method in _BUILDS):
        look = GAP
    elif name:
        look = f"{name} = {look}"
    elif insert.startswith("return "):
        look = f"return {look}"
    elif read.fact.use == "assigned":
        look = statement_text(read)
    else:
        look = "pass  # another run has inserted it"
    where = f"the insert (line {write.line})"
    worked = _then_as_found(check)
    if _undoes(mappers(check.table.model)) and not own_session(write.function) and not check.write.access.effect.sql:
        return f"Catch the `IntegrityError` of the key around {where}, roll back what it had begun, and read the row again."
    look = worked or look
    if GAP in insert + look:
        return (
            f"Put {where} into a savepoint, catch the `IntegrityError` of the key around it, and read the row again: whoever comes second gets "
            "the row of the first."
        )
    filled = _filled_after(check)
    if filled:
        return (
            f"Set the columns of `{filled}` before the insert (line {write.line}), put that into a savepoint, catch the `{conflict_near(model, write)}` of "
            "the key around it, and take the row that is there: whoever comes second gets the row of the first."
        )
    extra = {"insert": insert, "look": look, "where": where}
    text = recipe_fix(Place(model, write.function, write, mappers(check.table.model), extra), "insert-first")
    return text.replace("except IntegrityError:", f"except {conflict_near(model, write)}:")


def _filled_after(check: Check) -> str:
    """The new object whose columns are set only behind the statement that adds it: a savepoint would write it empty."""
    write, name = check.write.site, _written_object(check)
    if not name or callee_text(write).rpartition(".")[2] not in {"add", "add_all", "merge"}:
        return ""
    scope, order = write.function.scope, write.fact.order
    sets = any(
        assign.order > order
        and isinstance(assign.target, f.Attr)
        and isinstance(assign.target.value, f.Name)
        and assign.target.value.id == name
        for assign in scope.assigns
    )
    updates = any(callee_text(site) == f"{name}.update" and site.fact.order > order for site in write.function.calls)
    return name if sets or updates else ""


def conflict_near(model: Model, site: CallSite) -> str:
    """The error of a refused insert by the name under which its module catches it: a layer of its own may have turned it into another."""
    found: Counter[str] = Counter()
    for function in site.function.module.functions:
        for index, region in enumerate(function.scope.regions):
            if region.kind == "except" and len(region.types) == 1:
                types = model.exceptions.handler(function, index).types
                if len(types) == 1 and model.protection.is_conflict(types[0]):
                    found[written(region.types[0], function)] += 1
    return min(found, key=lambda name: (-found[name], name), default="IntegrityError")


def _call(site: CallSite) -> str:
    """A call as it is written, with its whole chain; a gap where that is long."""
    text = call_text(site, width=WHOLE)
    return f"await {text}" if site.fact.awaited else text


def _name_of(site: CallSite) -> str:
    """The variable that gets what a call returns; "" where none does, or more than one."""
    for assign in site.function.scope.assigns:
        value = assign.value.value if isinstance(assign.value, f.Await) else assign.value
        if isinstance(value, f.CallRef) and value.index == site.index and assign.op == "=":
            return written(assign.target, site.function) if isinstance(assign.target, f.Name | f.Attr) else ""
    return ""


def _written_object(check: Check) -> str:
    """The variable that holds the new row: `order` of `order.save()`, `session.add(order)`."""
    made = check.write.access.object
    return made.id if isinstance(made, f.Name) else ""


def insert_again(model: Model, check: Check) -> str:
    """The insert of a helper as it is called here, and the lookup once more where the key refuses it; "" where the call is the insert itself."""
    write, read = check.write.site, check.read.site
    if check.write.direct or write.function is not read.function:
        return ""
    insert, look = statement_text(write), statement_text(_fetch(read))
    if insert.startswith("return ") and not look.startswith("return "):
        look = f"return {look.partition(' = ')[2] or look}"
    worked = _then_as_found(check)
    look = worked or look
    names = mappers(check.table.model)
    kept = not _undoes(names) or bool(own_session(write.function))  # a helper's session is not at hand here
    if not kept or GAP in insert + look or (not worked and callee_text(_fetch(read)).rpartition(".")[2] in _BUILDS):
        call = f"`{callee_text(write)}()` (line {write.line})"
        return f"Insert first: catch the `IntegrityError` of the key around {call}, roll back what it had begun, and read the row again."
    return recipe_fix(
        Place(
            model,
            write.function,
            write,
            names,
            {"insert": insert, "look": look, "again": "look once more" if worked else "read the row again"},
        ),
        "insert-again",
    )


def _undoes(names: tuple[str, ...]) -> bool:
    """Must a session be rolled back after a conflict?"""
    return any(name.partition(".")[0] in {"sqlalchemy", "sqlmodel", "flask_sqlalchemy"} for name in names)


def _then_as_found(check: Check) -> str:
    """What whoever comes second has to do: look once more, and what is done to a row that is there; "" where that is nothing but to take it."""
    filled = _filled_alike(check)
    lines = filled or work_where_found(check)
    if lines is None:
        return ""
    alone = lines[1] - lines[0] <= (0 if filled else 1)  # a branch begins with its condition
    where = f"line {lines[1]}" if alone else f"lines {lines[0]} to {lines[1]}"
    return f"...  # line {check.read.site.line} once more, and {where}: it is there now"


def _filled_alike(check: Check) -> tuple[int, int] | None:
    """First and last line of what is done alike to a row that was found and to one that was made, up to the write of both."""
    made, write = check.write.access.made, check.write.site
    if made is None:
        return None
    scope = write.function.scope
    later = [a.line for a in scope.assigns if made.fact.order < a.order < write.fact.order and a.line > made.line]
    return min([*later, write.line]), write.fact.end_line


def _fetch(read: CallSite) -> CallSite:
    """The call that runs a query which is built here: `query.first()` for `query = session.query(Order)`."""
    function = read.function
    while read.fact.use == "receiver" and read.fact.outer >= 0:
        read = function.calls[read.fact.outer]
    if callee_text(read).rpartition(".")[2] not in _BUILDS:
        return read
    names = {
        a.target.id
        for a in function.scope.assigns
        if isinstance(a.target, f.Name) and isinstance(a.value, f.CallRef) and a.value.index == read.index
    }
    later = (site for site in function.calls if callee_text(site).rpartition(".")[0] in names)
    return next(later, read)


def insert_or_refuse(model: Model, check: Check) -> str:
    """Insert, and answer as the code answers when the row is there; "" where a row that is there is used."""
    write, answer = check.write.site, refusal(check)
    if answer is None:
        return ""
    extra = {
        "insert": _call(write),
        "refuse": f"{answer.kind} {written(answer.value, check.function)}".rstrip(),
    }
    if not check.write.direct:  # a helper that may commit
        extra |= {"look": extra["refuse"], "again": "give the same answer"}
    topic = "insert-or-refuse" if check.write.direct else "insert-again"
    return recipe_fix(Place(model, write.function, write, mappers(check.table.model), extra), topic)


def one_at_a_time(
    model: Model,
    table: Table,
    columns: tuple[str, ...],
    function: Function,
    why: str,
    sends: str = "",
    read: CallSite | None = None,
) -> str:
    """Where several rows of one key are let in by other ways (`why`): lock the parent row over the lookup and the insert; `sends`: a call
    on the way to the insert that waits for others, for which no lock may be held.
    """
    parents = [c for name in columns if (c := table.column(name)) is not None and c.target_model is not None]
    parent = parents[0].target_model if parents else None
    where = f"{why}, so a unique key may not hold"
    if parent is None:
        return f"{where[0].upper()}{where[1:]}: hold one lock for the key over the lookup and the insert."
    after = (
        f"the lookup and the insert, {sends} behind this block" if sends else "the lookup and the insert, as they are"
    )
    late = _comes_late(function, parents[0].attribute, read)
    if late:
        after = "look for the row once more, and insert it where there is still none"
    extra = {
        "parent": parent.name,
        "owner": parents[0].attribute,
        "get": "aget" if function.is_async else "get",
        "after": after,
    }
    filled = Place(model, function, None, mappers(parent), extra).pick("parent-lock")
    text = f"{where[0].upper()}{where[1:]}: lock the `{parent.name}` before the lookup, and look and insert in its transaction:"
    if late:
        text = f"{where[0].upper()}{where[1:]}: lock the `{parent.name}` where it is known (line {late}), look once more under the lock, and insert in its transaction:"
    return fix(text, "", filled.code if filled is not None else "")


def _comes_late(function: Function, name: str, read: CallSite | None) -> int:
    """The line on which a variable gets its value, where that is behind the lookup; 0 where it is there before."""
    assigns = [a for a in function.bindings.get(name, ()) if a.op != "except"]
    early = name in function.parameters or read is None or any(a.order < read.fact.order for a in assigns)
    return 0 if early or not assigns else assigns[0].line
