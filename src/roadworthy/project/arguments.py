"""Where the arguments of a call stand, as library rows name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.schema import Argument, SpawnerRow


def arguments(call: f.Call, where: Argument) -> Iterator[f.Expr]:
    """The expression(s) of a call at the place that a library row names; a starred argument counts from its position on."""
    if where.argument == "*":
        yield from call.args[where.position or 0 :]
        return
    if where.argument is not None:
        for keyword, expr in call.kwargs:
            if keyword == where.argument:
                yield expr
                return
    if where.position is None:
        return
    for index, expr in enumerate(call.args):
        if index == where.position or (isinstance(expr, f.Star) and index < where.position):
            yield expr
            if isinstance(expr, f.Attr) and expr.name == "run" and index + 1 < len(call.args):
                yield call.args[
                    index + 1
                ]  # `run_in_executor(pool, context.run, work)`: the context only runs what comes next
            if not isinstance(expr, f.Star):
                return


def argument(call: f.Call, where: Argument | None) -> f.Expr | None:
    """The first of `arguments`, or None."""
    return next(arguments(call, where), None) if where is not None else None


def has_spread(call: f.Call) -> bool:
    """Does the call pass `**kwargs`, so that an absent keyword may be present after all?"""
    return any(keyword == "**" for keyword, _ in call.kwargs)


def spawner_kind(row: SpawnerRow) -> str:
    """The kind of edge that a spawner makes."""
    return f"hook:{row.hook}" if row.kind == "hook" else row.kind


def given_to_awaited(scope: f.Scope, owner: f.Expr) -> bool:
    """`await all_done(tasks)`: is what has this name given to a call that is awaited?"""
    return isinstance(owner, f.Name) and any(
        isinstance(arg, f.Name) and arg.id == owner.id for call in scope.calls if call.awaited for arg in call.args
    )
