"""Fixes for files that are written in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, WHOLE, apply_text, argument_texts, callee_text, written
from roadworthy.advice.durability import is_call
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


def atomic_write(model: Model, function: Function, target: str, site: CallSite | None = None) -> str:
    """Write beside the file, sync, rename."""
    own = best(model, "atomic-write", function, accept=lambda p: p.definition is None or len(p.uses) > 1)
    content = _content(site)
    body = _written_with(site) if content == GAP else ""
    if body.startswith("out.write("):
        content = body[len("out.write(") : -1]
    if own is not None:
        code = f"{own.name[:-2]}({target}, {content})" if content != GAP else ""
        return fix("Write it whole or not at all.", cite(own, function), code)
    method = _mode(site)
    extra = {"target": target, "content": content if content != GAP else "...", "mode": method}
    extra["body"] = body or f"out.write({extra['content']})"
    return recipe_fix(Place(model, function, extra=extra), "atomic-write")


def _mode(site: CallSite | None) -> str:
    """`wb` where bytes are written."""
    if site is None:
        return "w"
    modes = [*site.fact.args[:2], *(value for keyword, value in site.fact.kwargs if keyword == "mode")]
    binary = any(isinstance(mode, f.Str) and set(mode.value) <= set("wbx+") and "b" in mode.value for mode in modes)
    return "wb" if binary or callee_text(site).endswith("write_bytes") else "w"


def _written_with(site: CallSite | None) -> str:
    """The one statement that writes to the file which this call opens: `json.dump(state, out)`."""
    if site is None:
        return ""
    scope = site.function.scope
    if site.fact.use == "receiver" and site.fact.outer >= 0:  # `open(path, "w").write(text)`
        outer = site.function.calls[site.fact.outer]
        text = apply_text("out.write", argument_texts(outer), width=WHOLE)
        return text if callee_text(outer).endswith(".write") and GAP not in text else ""
    handles = {
        assign.target.id
        for assign in scope.assigns
        if isinstance(assign.target, f.Name)
        and isinstance(assign.value, f.CallRef)
        and assign.value.index == site.index
    }
    block = next((i for i, r in enumerate(scope.regions) if any(is_call(e, site) for e, _ in r.items)), None)
    found = []
    for call in site.function.calls:
        if block is not None and not flow.within(scope, call.fact.region, block):
            continue
        args = argument_texts(call)
        owner, _, method = callee_text(call).rpartition(".")
        if owner in handles and method == "write":
            found.append(apply_text("out.write", args, width=WHOLE))
        elif handles & set(args):
            found.append(apply_text(callee_text(call), ["out" if a in handles else a for a in args], width=WHOLE))
    return found[0] if len(handles) == 1 and len(found) == 1 and GAP not in found[0] else ""


def _content(site: CallSite | None) -> str:
    """What is written, where the call that opens the file is given it; else a gap."""
    if site is None or not callee_text(site).endswith((".write_text", ".write_bytes")) or not site.fact.args:
        return GAP
    text = written(site.fact.args[0], site.function)
    return text if GAP not in text else GAP
