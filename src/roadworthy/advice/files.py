"""Fixes for files that are written in place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, WHOLE, apply_text, argument_texts, callee_text, is_call, statement_text, written
from roadworthy.advice.fixes import fix
from roadworthy.advice.patterns import best, cite
from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.advice.patterns import Pattern
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


def atomic_write(model: Model, function: Function, target: str, site: CallSite | None = None) -> str:
    """Write beside the file and rename: the statements as they are, with another name in the call that opens."""
    own = best(model, "atomic-write", function, accept=lambda p: p.definition is None or len(p.uses) > 1)
    content = _content(site)
    body = _written_with(site) if content == GAP else ""
    if body.startswith("out.write("):
        content = body[len("out.write(") : -1]
    shown = _target(site) or target
    if own is not None and not ("json" in own.name.lower() and "json.dump" not in f"{content}{body}"):
        code = _with_helper(own, shown, content)
        return fix("Write it whole or not at all.", cite(own, function), code)
    code = _beside(site, shown, body, _suffix(model, site)) if site is not None and GAP not in shown else ""
    if code:
        return fix("Write beside the file and rename, so that readers see the old or the new one whole:", "", code)
    where = f" on line {site.line}" if site is not None else ""
    return (
        f"Write to another name beside it{where} (`….new`), and give it the name of `{target}` with `os.replace()` when it is closed: readers "
        "see the old or the new one whole."
    )


def _with_helper(own: Pattern, target: str, content: str) -> str:
    """The helper of the code base with this path and content, where it takes just these; one for JSON dumps what it is given."""
    helper = own.definition
    params = [p for p in helper.scope.params if p.name not in {"self", "cls"}] if helper is not None else []
    needed = [p.name for p in params if p.default is None and p.kind not in {"args", "kwargs"}]
    if helper is not None and (len(needed) != 2 or not re.search(r"path|file|target|dest", needed[0])):
        return ""
    if content == GAP or GAP in target:
        return ""
    if "json" in own.name.lower():
        whole = re.fullmatch(r"json\.dumps\((\w[\w.]*)\)", content)
        return f"{own.name[:-2]}({target}, {whole.group(1)})" if whole is not None else ""
    return f"{own.name[:-2]}({target}, {content})"


def _target(site: CallSite | None) -> str:
    """The path as it is written at the call that opens or writes it."""
    if site is None:
        return ""
    func = site.fact.func
    if isinstance(func, f.Attr) and func.name in {"open", "write_text", "write_bytes"} and not _is_module(func.value):
        return written(func.value, site.function)
    first = site.fact.args[0] if site.fact.args else next((v for k, v in site.fact.kwargs if k == "file"), None)
    return written(first, site.function) if first is not None else ""


_PACKERS = frozenset({"gzip", "bz2", "lzma", "tarfile", "zipfile"})


def _is_module(value: f.Expr) -> bool:
    return isinstance(value, f.Name) and value.id in {"aiofiles", "anyio", "io", "codecs", "gzip", "bz2", "lzma", "os"}


def _suffix(model: Model, site: CallSite) -> str:
    """What the name beside the file ends in: one of its own for each writer, where several requests or jobs may write at once."""
    taken = "uuid" in {*site.function.parameters, *site.function.bindings}
    exposure = model.exposure(site.function)
    alone = bool(exposure.entries and not exposure.serves) or model.is_script(site.path)
    return ".new" if taken or alone else ".{uuid.uuid4().hex}.new"


def _beside(site: CallSite, target: str, body: str, suffix: str) -> str:
    """The statement that writes, with the name beside the file in place of its own; "" where it is none that can be taken as it is."""
    func = site.fact.func
    method = func.name if isinstance(func, f.Attr) else ""
    simple = target.replace(".", "").isidentifier()
    path, lead = (target, "") if simple else ("target", f"target = {target}\n")
    if method in {"write_text", "write_bytes"}:
        call = apply_text(f"partial.{method}", argument_texts(site), width=WHOLE)
        awaits = "await " if site.fact.awaited else ""
        done = f'{lead}partial = {path}.with_name(f"{{{path}.name}}{suffix}")\n{awaits}{call}\n{awaits}partial.replace({path})'
        return done if GAP not in done and site.fact.use == "discarded" else ""
    is_path = method == "open" and isinstance(func, f.Attr) and not _is_module(func.value)
    args = argument_texts(site)
    opened = apply_text("partial.open", args) if is_path else apply_text(callee_text(site), ["partial", *args[1:]])
    opener = next((r for r in site.function.scope.regions if any(is_call(e, site) for e, _ in r.items)), None)
    if opener is not None:
        handle = next(
            (written(name, site.function) for e, name in opener.items if is_call(e, site) and name is not None), ""
        )
        lone = len(opener.items) == 1
        inside, awaits = _only_line(site, opener) or "...  # as it is", "await " if opener.is_async else ""
        if not handle or not lone:
            return ""
        head = f"{'async ' if opener.is_async else ''}with {opened} as {handle}:"
    elif body and site.fact.use == "receiver":
        handle, inside, awaits = "out", body, ""
        head = f"with {opened} as out:"
    else:
        return ""
    made = f'partial = {path}.with_name(f"{{{path}.name}}{suffix}")' if is_path else f'partial = f"{{{path}}}{suffix}"'
    whole = [f"    {awaits}{handle}.flush()", f"    os.fsync({handle}.fileno())"]
    if callee_text(site).partition(".")[0] in _PACKERS:  # the rest of the archive is written when it is closed
        whole = ['with open(partial, "rb") as done:', "    os.fsync(done.fileno())"]
    lines = [f"{head}", f"    {inside}", *whole, f"os.replace(partial, {path})"]
    done = "\n".join([f"{lead}{made}", *lines])
    return done if GAP not in done else ""


def _only_line(site: CallSite, opener: f.Region) -> str:
    """The one statement of the block that this call opens, as it is; "" where there are more."""
    scope = site.function.scope
    block = next(i for i, region in enumerate(scope.regions) if region is opener)
    calls = [call for call in site.function.calls if flow.within(scope, call.fact.region, block) and call is not site]
    lone = [call for call in calls if call.fact.use == "discarded"]
    inner = any(region.parent == block for region in scope.regions) or list(flow.assigns_in(scope, block))
    if len(lone) != 1 or inner or any(call.fact.outer < 0 for call in calls if call is not lone[0]):
        return ""
    text = statement_text(lone[0])
    return text if GAP not in text and "\n" not in text else ""


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
