"""Files that the project writes: which, how, and whether it reads them back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.bindings import argument_for
from roadworthy.project.database.presence import Presence
from roadworthy.project.fresh import is_by_chance, is_fresh, is_of_the_run, names_in, texts_of
from roadworthy.project.values import LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_PASSING = re.compile(
    r"tmp|temp|scratch|/dev/|devnull|(?<![A-Za-z])out(put)?(?![A-Za-z])|report|export|download|upload|(?<![A-Za-z])logs?(?![A-Za-z])|artifact|result|dump|cache|plot|chart|archives?(\b|_)"
    r"|\.(git|docker)ignore|\.gitkeep|cachedir",
    re.IGNORECASE,
)
_WORKING_COPY = re.compile(r"(?<![A-Za-z])(build|checkout|clone)_?(dir|path|folder|root)(?![A-Za-z])", re.IGNORECASE)
_CALLERS = 20  # of a helper that is given a path
_HANDED_ON = 3  # helpers that a path goes through
_ASKS = frozenset({"exists", "isfile", "is_file"})
_COMMON_SUFFIX = re.compile(
    r"\*\.(json|ya?ml|xml|csv|tsv|txt|html?|md|rst|gz|bz2|xz|zip|tar|tgz|log|ini|cfg|conf|toml|env|py|js|css|sh|sql|db|pkl|pickle|npy|npz|parquet|"
    r"new|part|partial|incomplete|swp|old|orig|copy|asc|sig|gpg|md5|sha\d*|info|list|data|db3?|sqlite3?|so|whl|jar|deb|rpm|"
    r"png|jpe?g|gif|svg|pdf|webp|wav|mp3|mp4|pem|key|crt|cert?|csr|pub|out|err|bak|dat|bin|tex|bib|docx?|xlsx?|po|mo|lock|pid)"
)
_SETTINGS_FILE = re.compile(r"\.(conf|cfg|ini|toml|ya?ml|service|env)$", re.IGNORECASE)

_OWN_NAME = re.compile(r"\w[\w-]*\.\w+$")
_NEW_EACH_TIME = re.compile(r"random|temp|tmp|unique|uuid", re.IGNORECASE)
_SHAPES = frozenset(
    {
        "join",
        "joinpath",
        "Path",
        "PurePath",
        "str",
        "open",
        "expanduser",
        "abspath",
        "absolute",
        "resolve",
        "realpath",
        "normpath",
        "with_name",
        "with_suffix",
        "with_stem",
        "relative_to",
        "rename",
        "fspath",
        "format",
        "replace",
        "strip",
        "rstrip",
        "lstrip",
        "lower",
        "get",
    }
)
"""Calls that shape a path and do not tell which one it is."""


@dataclass(frozen=True, slots=True)
class FileAccess:
    """One call that opens, writes or reads a file by its path."""

    site: CallSite
    effect: EffectAt
    target: f.Expr
    text: str  # the target as written
    keys: tuple[str, ...]  # by which the same file is recognised elsewhere

    @property
    def function(self) -> Function:
        """The function in which the call stands."""
        return self.site.function

    @property
    def is_passing(self) -> bool:
        """An output, a temporary file, a cache, a working copy: made to be handed on or made again."""
        if any(_WORKING_COPY.search(text) for text in texts_of(self.target, self.function)):
            return True
        return bool(_PASSING.search(self.text)) or any(_PASSING.search(key) for key in self.keys)

    @property
    def is_in_usual_folder(self) -> bool:
        """`join(folder, "index.json")`, the folder a parameter with a default: the program names the file, and knows where it is."""
        given = {param.name for param in self.function.scope.params if param.default is not None}
        names = set(names_in(self.target, self.function.scope))
        for name in list(names):
            for assign in self.function.bindings.get(name, ()):
                names |= set(names_in(assign.value, self.function.scope)) if assign.value is not None else set()
        return bool(names & given) and any(_OWN_NAME.match(key) for key in self.keys)

    @property
    def is_download(self) -> bool:
        """Another place keeps it, so that it can be fetched anew."""
        return _fetches(self.effect)

    @property
    def is_settings_file(self) -> bool:
        """A file that another program reads its settings from, by its name."""
        return any(_SETTINGS_FILE.search(key) for key in self.keys)


def accesses(model: Model, word: Effect) -> Iterator[FileAccess]:
    """Calls with this effect that name a file by its path; appending and exclusive creation are no rewriting."""
    for effect in model.effects_of(word):
        if effect.row.safe_to_repeat == "no" or _mode(effect, model).startswith("x"):
            continue
        target = _target(effect, model)
        if target is not None and not _in_memory(target, effect, model):
            site = effect.site
            yield FileAccess(
                site,
                effect,
                target,
                flow.text_of(target, site.function.scope),
                tuple(_keys(target, site.function, 0, model, site.fact.order)),
            )


def _mode(effect: EffectAt, model: Model) -> str:
    """The literal mode of an `open`."""
    for place, expr in (*((i, a) for i, a in enumerate(effect.site.fact.args)), *effect.site.fact.kwargs):
        if place in {1, "mode"}:
            return str(model.literal(expr, effect.function) or "")
    return ""


def _target(effect: EffectAt, model: Model) -> f.Expr | None:
    site = effect.site
    if effect.row.identity:
        place = effect.row.identity[0]
        return argument(site.fact, place) if place.position == 0 or _fetches(effect) else None
    func = site.fact.func
    if not isinstance(func, f.Attr) or func.value == f.Name(effect.name.partition(".")[0]):
        return None  # `os.fdopen(fd)`: the module is no path
    if effect.name.rpartition(".")[0].endswith("IOBase"):
        return None  # an open file, wherever it was opened
    for receiver in model.clients.receivers(effect):
        if isinstance(receiver, LibraryObject) and _is_handle(receiver, model):
            return None
    return func.value


def _fetches(effect: EffectAt) -> bool:
    """A download that writes its file itself."""
    return Effect.HTTP_REQUEST.value in effect.row.effects


def _in_memory(target: f.Expr, effect: EffectAt, model: Model) -> bool:
    """A buffer that looks like a file."""
    values = model.values(target, effect.function, effect.site.fact.order)
    return any(isinstance(v, LibraryObject) and v.type.endswith(("IO", "Buffer")) for v in values)


def _is_handle(value: LibraryObject, model: Model) -> bool:
    """An open file, not a path."""
    made = model.effects_at(value.site) if value.site is not None else ()
    return any(e.effect in {Effect.FILE_WRITE, Effect.FILE_READ} for e in made)


def _keys(expr: f.Expr, function: Function, depth: int, model: Model, order: int | None = None) -> Iterator[str]:
    """Names by which a path is known: the attribute, constant or helper that gives it, and its last literal part.

    `order`: where a name is asked for, so that what it is bound to later counts only in a loop.
    """
    match expr:
        case f.Str(value=text):
            yield _file_name(text)
        case f.Attr():
            yield f".{expr.name}"
        case f.Name():
            if function.parent is not None and expr.id not in function.bindings and expr.id not in function.parameters:
                outer = function.parent
                while outer.parent is not None and expr.id not in outer.bindings and expr.id not in outer.parameters:
                    outer = outer.parent
                if outer.kind == "function":  # a lambda or a helper inside: the name is the outer function's own
                    if expr.id not in outer.parameters and depth < 4:
                        yield from _keys(expr, outer, depth + 1, model)
                    return
            local = [a for a in function.bindings.get(expr.id, ()) if a.op == "=" and a.value is not None]
            if function.kind != "module" and local and depth < 4:
                seen = flow.reaching(function.scope, local, order)[0] if order is not None else local[-2:]
                for assign in seen:
                    if assign.value is not None:
                        yield from _keys(assign.value, function, depth + 1, model)
            elif expr.id in function.parameters:
                if expr.id not in function.bindings and depth < _HANDED_ON:
                    yield from _given(expr.id, function, depth, model)
            elif function.kind == "module" or expr.id not in function.bindings:
                yield from _constant(expr, function, model)
        case f.CallRef():
            call = function.scope.calls[expr.index]
            name = (
                call.func.name
                if isinstance(call.func, f.Attr)
                else call.func.id
                if isinstance(call.func, f.Name)
                else ""
            )
            for arg in reversed(call.args):
                found = list(_keys(arg, function, depth + 1, model)) if depth < 4 else []
                yield from found
                if found and not _is_given(
                    arg, function
                ):  # what callers give is one file of many: the folder counts, too
                    break
            if name and name not in _SHAPES and not _NEW_EACH_TIME.search(name):
                yield f"{name}()"
        case f.Bin():
            yield from _keys(expr.right, function, depth + 1, model)
        case f.FStr(parts=parts):
            last = parts[-1] if parts else None
            if isinstance(last, f.Str):
                yield _file_name(last.value)


def _is_given(expr: f.Expr, function: Function) -> bool:
    return isinstance(expr, f.Name) and expr.id in function.parameters and expr.id not in function.bindings


def _given(name: str, function: Function, depth: int, model: Model) -> Iterator[str]:
    """The paths that callers give to a helper (`write_json(self._file, data)`); an attribute is known in its own class only."""
    for edge in model.edges_to(function)[:_CALLERS]:
        caller = edge.site.function
        resolution = model.graph.resolutions.get(edge.site)
        implicit = resolution.implicit if resolution is not None else False
        expr = argument_for(function, name, edge.site, implicit) if edge.kind == "call" else None
        fresh = expr is None or is_fresh(expr, caller) or is_by_chance(expr, caller, edge.site.fact.order, model)
        if expr is None or fresh or replaces(model, caller):
            continue  # a temporary file, or the caller moves it into its place
        if isinstance(expr, f.Attr):
            yield f"{caller.cls.path}:{caller.cls.name}.{expr.name}" if caller.cls is not None else f".{expr.name}"
            continue
        yield from (
            key for key in _keys(expr, caller, depth + 1, model, edge.site.fact.order) if not key.startswith(".")
        )


def _constant(name: f.Name, function: Function, model: Model) -> Iterator[str]:
    """A constant is known by the file that it names; one whose text is not known by its own name, in its own module."""
    told = model.literal(name, function)
    own = name.id in function.module.body.bindings
    yield _file_name(told) if isinstance(told, str) else f"{function.path}:{name.id}" if own else name.id


def _file_name(text: str) -> str:
    """The last part of a literal path; what begins with a dot (`path + ".meta"`) is told apart from the name of an attribute."""
    name = text.rpartition("/")[2] or text
    return f"*{name}" if name.startswith(".") else name


def read_back(model: Model, written: FileAccess, reads: dict[str, list[FileAccess]]) -> FileAccess | None:
    """A place where another run reads the file which is written here: by the same constant, literal name, attribute or helper."""
    for key in written.keys:
        for read in reads.get(key, ()):
            near = key.startswith(".") or bool(_COMMON_SUFFIX.fullmatch(key))
            if near and not _same_class(written, read):
                continue
            if is_of_the_run(written, read, model) and not _given_elsewhere(read, key, written.function, model):
                continue
            return read
    return None


def _given_elsewhere(read: FileAccess, key: str, writer: Function, model: Model) -> bool:
    """Do other callers give the reading helper the same file?"""
    if read.function is writer:
        return False
    return any(
        key in _keys(arg, edge.site.function, 1, model)
        for edge in model.edges_to(read.function)[:_CALLERS]
        if edge.site.function is not writer
        for arg in (*edge.site.fact.args, *(value for _, value in edge.site.fact.kwargs))
    )


def is_named_by_user(written: FileAccess) -> bool:
    """`open(sys.argv[2], "w")` in a script: a person names the file and sees what becomes of it."""
    function = written.function
    if function.kind != "module":
        return False
    values = [written.target]
    if isinstance(written.target, f.Name):
        values += [a.value for a in function.bindings.get(written.target.id, ()) if a.value is not None]
    return any("argv" in flow.deep_text(value, function.scope) for value in values)


def _same_class(a: FileAccess, b: FileAccess) -> bool:
    return a.function.module is b.function.module


def replaces(model: Model, function: Function) -> list[CallSite]:
    """Renames over another file in a function."""
    return [site for site in function.calls if any(e.effect is Effect.FILE_REPLACE for e in model.effects_at(site))]


def taken_for_whole(model: Model, written: FileAccess) -> CallSite | None:
    """The question whether the file is there, when the answer spares fetching it: a half one from an earlier run counts as whole."""
    function = written.function
    scope = function.scope
    if "tmp" in written.text.lower() or "temp" in written.text.lower() or _is_fetched(model, written) is None:
        return None
    for site in function.calls:
        func = site.fact.func
        if not isinstance(func, f.Attr) or func.name not in _ASKS or site.fact.order > written.site.fact.order:
            continue
        asked = site.fact.args[0] if site.fact.args else func.value
        if (
            flow.text_of(asked, scope) == written.text
            and _spares(function, site, written.site)
            and not _removes(function, written)
        ):
            return site
    return None


def _is_fetched(model: Model, written: FileAccess) -> CallSite | None:
    """A call of the same function that fetches from elsewhere what is written."""
    words = (Effect.HTTP_REQUEST, Effect.OBJECT_READ)
    return next((site for site in written.function.calls if model.effects_through(site, *words)), None)


def _spares(function: Function, asks: CallSite, write: CallSite) -> bool:
    """`if exists(path): return …`, `if not exists(path): …write…`."""
    presence = Presence(function, asks)
    return presence.absent_at(write) == "use"


def _removes(function: Function, written: FileAccess) -> bool:
    """A failed run takes the half file away."""
    scope = function.scope
    for site in function.calls:
        func = site.fact.func
        if isinstance(func, f.Attr) and func.name in {"remove", "unlink"}:
            gone = site.fact.args[0] if site.fact.args else func.value
            if flow.text_of(gone, scope) == written.text:
                return True
    return False


def early_syncs(model: Model) -> Iterator[tuple[CallSite, str]]:
    """(fsync, handle) where the handle's own buffer was not flushed before: what it holds is written after the sync."""
    for site in model.sites():
        handle = _synced_handle(site)
        if handle is None or not model.reach.site_reaches(site, {Effect.FILE_SYNC}):
            continue
        scope = site.function.scope
        text = flow.text_of(handle, scope)
        flushed = any(
            call.order < site.fact.order
            and isinstance(call.func, f.Attr)
            and call.func.name in {"flush", "close"}
            and flow.text_of(call.func.value, scope) == text
            for call in scope.calls
        )
        if not flushed:
            yield site, text


def _synced_handle(site: CallSite) -> f.Expr | None:
    """`out` of `fsync(out.fileno())`."""
    for arg in site.fact.args[:1]:
        if isinstance(arg, f.CallRef):
            func = site.function.scope.calls[arg.index].func
            if isinstance(func, f.Attr) and func.name == "fileno":
                return func.value
    return None
