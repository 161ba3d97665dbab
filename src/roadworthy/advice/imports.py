"""What a snippet needs at the top of its module: names that it uses, that are not at hand where it goes, and where they come from."""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter, defaultdict
from textwrap import indent
from typing import TYPE_CHECKING

from roadworthy.advice.stack import stack_of
from roadworthy.project.once import once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.facts.schema import Import
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function, Module

_FENCE = re.compile(r"```python\n(.*?)\n```", re.DOTALL)
_INLINE = re.compile(r"`((?:import|from) [^`\n]+|\w+ = [^`\n]+)`")
_PLACE = re.compile(r"`([\w./+-]+\.py):(\d+)`")
_CITED = re.compile(
    r"`[^`]+` \(`[^`]+`[^)]*\) (?:does it so|is how this code base does it)\.|As in this code base: .*?\)\."
)
_ELSEWHERE = ("# in the model", "# in `upgrade()`", "models.UniqueConstraint(")
_MOST = 6

_MODULES = frozenset({
    "asyncio", "atexit", "contextlib", "hashlib", "json", "os", "random", "signal", "socket", "subprocess", "sys", "tempfile", "threading", "time", "uuid",
})  # fmt: skip
_FROM: dict[str, tuple[str, ...]] = {
    "Coalesce": ("django.db.models.functions",),
    "Exists": ("django.db.models",),
    "F": ("django.db.models",),
    "IntegrityError": ("django.db", "sqlalchemy.exc"),
    "Q": ("django.db.models",),
    "Retrying": ("tenacity",),
    "Retry": ("requests.adapters", "urllib3.util"),
    "HTTPAdapter": ("requests.adapters",),
    "ThreadPoolExecutor": ("concurrent.futures",),
    "migrations": ("django.db",),
    "models": ("django.db",),
    "partial": ("functools",),
    "retry": ("tenacity", "retry"),
    "retry_if_exception_type": ("tenacity",),
    "run_in_threadpool": ("fastapi.concurrency", "starlette.concurrency"),
    "select": ("sqlalchemy", "sqlmodel", "sqlalchemy.future"),
    "shared_task": ("celery",),
    "stop_after_attempt": ("tenacity",),
    "stop_after_delay": ("tenacity",),
    "sync_to_async": ("asgiref.sync",),
    "timedelta": ("datetime",),
    "transaction": ("django.db",),
    "update": ("sqlalchemy",),
    "wait_random_exponential": ("tenacity",),
}
"""Name -> the modules from which a snippet means it; what it means elsewhere in the code base is something else."""
_BY_USE = {"Retry(max=": "rq", "retry(\n    retry=": "tenacity", "retry(retry=": "tenacity"}
"""A use that tells which of several things of that name is meant."""
_BASE = {
    "django": ("django",),
    "sqlalchemy": ("sqlalchemy", "sqlmodel", "flask-sqlalchemy"),
    "sqlmodel": ("sqlmodel",),
    "fastapi": ("fastapi",),
    "starlette": ("starlette",),
    "rq": ("rq",),
    "requests": ("requests",),
}
_SHARED = 3  # modules that import a logger from one place
_LOGGER = ("import logging", "logger = logging.getLogger(__name__)")


def with_imports(model: Model, path: str, line: int, fix: str) -> str:
    """The fix, followed by what its Python snippets need at the top of the module."""
    snippets = [code for code in _FENCE.findall(fix) if not code.startswith(_ELSEWHERE)]
    prose = _CITED.sub(" ", _FENCE.sub(" ", fix))
    places = [(path, line), *((found, int(number)) for found, number in _PLACE.findall(prose))]
    functions = [function for place in places if (function := function_at(model, *place)) is not None]
    if not snippets or not functions:
        return fix
    said = {name for text in _INLINE.findall(prose) for name in _bound_in(text)}
    wanted = {name for code in snippets for name in free_names(code)} - said - set(dir(builtins))
    missing = min(([n for n in sorted(wanted) if not at_hand(n, function)] for function in functions), key=len)
    lines = _merged([text for name in missing for text in _from_where(model, functions[0], name, snippets)])
    if not lines or len(lines) > _MOST:
        return fix
    return f"{fix}\nAt the top of the module: {', '.join(f'`{text}`' for text in lines)}."


def _merged(lines: list[str]) -> list[str]:
    """Imports before definitions, and one line for each module that names come from."""
    plain = sorted({text for text in lines if text.startswith("import ")})
    other = sorted({text for text in lines if not text.startswith(("import ", "from "))})
    names: dict[str, list[str]] = defaultdict(list)
    for text in sorted({text for text in lines if text.startswith("from ")}):
        source, _, name = text.partition(" import ")
        names[source].append(name)
    return [*plain, *(f"{source} import {', '.join(found)}" for source, found in names.items()), *other]


def function_at(model: Model, path: str, line: int) -> Function | None:
    """The innermost scope around a line."""
    module = model.symbols.by_path.get(path)
    if module is None:
        return None
    around = [f for f in module.functions if f.kind == "module" or f.scope.line <= line <= f.scope.end_line]
    return max(around, key=lambda f: (f.kind != "module", f.scope.line, f.kind != "class"))


def at_hand(name: str, function: Function) -> bool:
    """Does a name mean something in a function: its own, one of a function around it, one of the module?"""
    scope: Function | None = function
    while scope is not None:
        if scope is function or scope.kind != "class":
            starred = any(item.name == "*" for item in scope.scope.imports)
            if starred or name in scope.bindings or name in scope.imports or name in scope.parameters:
                return True
            if name in scope.children or (scope.kind == "module" and name in {"self", "cls"}):
                return True
        scope = scope.parent
    return name in function.module.body.children or name.startswith("__") or name == "_"


def free_names(code: str) -> set[str]:
    """Names that a snippet reads and does not bind; none where it does not parse."""
    if code.startswith("except"):
        code = f"try:\n    pass\n{code}"
    try:
        tree = ast.parse(f"async def outside():\n  while True:\n{indent(code, '    ')}")
    except (SyntaxError, ValueError, RecursionError):
        return set()
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return {node.id for node in names if isinstance(node.ctx, ast.Load)} - set(_bound(tree))


def _bound(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                yield name
            case ast.alias(name=name, asname=other):
                yield (other or name).partition(".")[0]
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.ExceptHandler(name=str(name)):
                yield name


def _bound_in(text: str) -> set[str]:
    try:
        return set(_bound(ast.parse(text)))
    except (SyntaxError, ValueError):
        return set()


def _from_where(model: Model, function: Function, name: str, snippets: list[str]) -> tuple[str, ...]:
    """The lines that bring a name: as the code base does, else from where it is known to come; none where nobody knows."""
    if name in _MODULES:
        return (f"import {name}",)
    usual = _usual_imports(model).get(name, Counter())
    meant = (
        source for use, source in _BY_USE.items() if use.startswith(name) and any(use in code for code in snippets)
    )
    sources = tuple(meant) or _FROM.get(name)
    if sources is not None:
        own = [source for source in sources if usual[f"from {source} import {name}"]]
        found = max(own, key=lambda source: usual[f"from {source} import {name}"], default="")
        return (f"from {found or _likely(model, sources)} import {name}",)
    best = min(usual, key=lambda text: (-usual[text], text), default="")
    # one module's own logger is not for others
    if best and (name != "logger" or usual[best] >= _SHARED or "log" in best.removesuffix("logger").lower()):
        return (best,)
    home = _home(model, name)
    if home and home.path != function.path:
        return (f"from {_importable(model, home.name)} import {name}",)
    if name == "logger":
        return _LOGGER if not at_hand("logging", function) else _LOGGER[1:]
    if name in {"backoff", "stamina"}:
        return (f"import {name}",)
    dotted = (re.search(rf"\b({name}(?:\.[a-z_]\w*)*)\.[A-Z]\w*", code) for code in snippets)
    return tuple(f"import {found.group(1)}" for found in dotted if found is not None)[:1]


def _home(model: Model, name: str) -> Module | None:
    """The module of the project that defines a name, where only one does."""
    homes = [m for m in model.symbols.modules if model.is_reviewed(m.path) and name in m.body.children]
    return homes[0] if len(homes) == 1 else None


def _importable(model: Model, dotted: str) -> str:
    """The module by the name that the project imports it by: without the folders above its root."""
    roots, tops = _imported(model)
    parts = dotted.split(".")
    names = [".".join(parts[index:]) for index in range(len(parts))]
    known = next((name for name in names if name in roots), "")
    return known or next((name for name in names if name.partition(".")[0] in tops), dotted)


@once
def _imported(model: Model) -> tuple[frozenset[str], frozenset[str]]:
    """Modules that the project imports by absolute name, and the first parts of their names."""
    roots = frozenset(
        item.module for m in model.symbols.modules for item in m.body.scope.imports if not item.level and item.module
    )
    return roots, frozenset(root.partition(".")[0] for root in roots)


def _likely(model: Model, sources: tuple[str, ...]) -> str:
    """The source whose library the project uses; the first where none tells."""
    uses = set(stack_of(model).uses)
    return next((s for s in sources if uses & set(_BASE.get(s.partition(".")[0], ()))), sources[0])


@once
def _usual_imports(model: Model) -> dict[str, Counter[str]]:
    """Name -> the absolute imports by which modules of production code have it, with their numbers."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for module in model.symbols.modules:
        if model.is_reviewed(module.path):
            for item in module.body.scope.imports:
                _count(found, item)
    return found


def _count(found: dict[str, Counter[str]], item: Import) -> None:
    if item.level or item.name == "*" or item.in_type_checking:
        return
    if item.name is None:
        bound = item.asname or item.module
        if "." not in bound:
            found[bound][f"import {item.module}{f' as {item.asname}' if item.asname else ''}"] += 1
        return
    bound = item.asname or item.name
    found[bound][f"from {item.module} import {item.name}{f' as {item.asname}' if item.asname else ''}"] += 1
