"""Files that the project writes: which, how, and whether it reads them back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.besides import is_beside_program
from roadworthy.project.database.presence import Presence
from roadworthy.project.filekeys import CALLERS, keys_of
from roadworthy.project.fresh import is_fresh, is_of_the_run, names_in, texts_of
from roadworthy.project.handedon import is_handed_on
from roadworthy.project.values import LibraryObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_PASSING = re.compile(
    r"tmp|temp|scratch|/dev/|devnull|(?<![A-Za-z])out(put)?(?![A-Za-z])|report|export|download|upload|(?<![A-Za-z])logs?(?![A-Za-z])|artifact|result|dump|cache|plot|chart|archives?(\b|_)|(?<![A-Za-z])pid(_?file(_?path)?)?(?![A-Za-z])"
    r"|\.(git|docker)ignore|\.gitkeep|cachedir",
    re.IGNORECASE,
)
_WORKING_COPY = re.compile(r"(?<![A-Za-z])(build|checkout|clone)_?(dir|path|folder|root)(?![A-Za-z])", re.IGNORECASE)

_ASKS = frozenset({"exists", "isfile", "is_file"})
_COMMON_SUFFIX = re.compile(
    r"\*(\.tar)?\.(json|ya?ml|xml|csv|tsv|txt|html?|md|rst|gz|bz2|xz|zip|tar|tgz|log|ini|cfg|conf|toml|env|py|js|css|sh|sql|db|pkl|pickle|npy|npz|parquet|"
    r"new|part|partial|incomplete|swp|old|orig|copy|asc|sig|gpg|md5|sha\d*|info|list|data|db3?|sqlite3?|so|whl|jar|deb|rpm|"
    r"png|jpe?g|gif|svg|pdf|webp|wav|mp3|mp4|pem|key|crt|cert?|csr|pub|out|err|bak|dat|bin|tex|bib|docx?|xlsx?|po|mo|lock|pid)"
)
_SETTINGS_FILE = re.compile(r"\.(conf|cfg|ini|toml|ya?ml|service|env)$", re.IGNORECASE)

_OWN_NAME = re.compile(r"\w[\w-]*\.\w+$")


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
        return bool(_PASSING.search(self.text)) or any(_PASSING.search(key.rpartition(":")[2]) for key in self.keys)

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
                tuple(keys_of(target, site.function, 0, model, site.fact.order)),
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
        told = place.position == 0 or _fetches(effect) or _copies_draft(effect)
        return argument(site.fact, place) if told else None
    func = site.fact.func
    if not isinstance(func, f.Attr) or func.value == f.Name(effect.name.partition(".")[0]):
        return None  # `os.fdopen(fd)`: the module is no path
    if effect.name.rpartition(".")[0].endswith("IOBase"):
        return None  # an open file, wherever it was opened
    for receiver in model.clients.receivers(effect):
        if isinstance(receiver, LibraryObject) and _is_handle(receiver, model):
            return None
    return func.value


def _copies_draft(effect: EffectAt) -> bool:
    """`shutil.copy(draft.name, path)`: the draft is whole, and the copy fills the file bit by bit all the same."""
    return bool(effect.site.fact.args) and is_fresh(effect.site.fact.args[0], effect.function)


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


def read_back(model: Model, written: FileAccess, reads: dict[str, list[FileAccess]]) -> FileAccess | None:
    """A place where another run reads the file which is written here: by the same constant, literal name, attribute or helper; the nearest."""
    found = [read for key in written.keys for read in reads.get(key, ()) if _reads_it(model, written, read, key)]
    return min(found, key=lambda read: _distance(written, read), default=None)


def _reads_it(model: Model, written: FileAccess, read: FileAccess, key: str) -> bool:
    near = key.startswith(".") or bool(_COMMON_SUFFIX.fullmatch(key))
    if near and not _same_class(written, read):
        return False
    if is_fresh(read.target, read.function) or (
        is_beside_program(read.target, read.function, model)
        and not is_beside_program(written.target, written.function, model)
    ):
        return False  # a file of one run, a file that comes with the program: not the one that is written here
    return not is_handed_on(written, read, key, model) and not (
        is_of_the_run(written, read, model) and not _given_elsewhere(read, key, written.function, model)
    )


def _distance(written: FileAccess, read: FileAccess) -> int:
    if read.function.cls is written.function.cls and _same_class(written, read):
        return 0
    return 1 if _same_class(written, read) else 2


def _given_elsewhere(read: FileAccess, key: str, writer: Function, model: Model) -> bool:
    """Do other callers give the reading helper the same file?"""
    if read.function is writer:
        return False
    return any(
        key in keys_of(arg, edge.site.function, 1, model)
        for edge in model.edges_to(read.function)[:CALLERS]
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


def taken_for_whole(model: Model, written: FileAccess) -> CallSite | None:
    """The question whether the file is there, when the answer spares fetching it: a half one from an earlier run counts as whole."""
    if "tmp" in written.text.lower() or "temp" in written.text.lower() or fetched_from(model, written) is None:
        return None
    asks = asked_before(written)
    return asks if asks is not None and not _removes(written.function, written) else None


def asked_before(written: FileAccess) -> CallSite | None:
    """`if not exists(path): …write…`: the question whether the file is there, where it is written only because it is not."""
    function, scope = written.function, written.function.scope
    for site in function.calls:
        func = site.fact.func
        if not isinstance(func, f.Attr) or func.name not in _ASKS or site.fact.order > written.site.fact.order:
            continue
        asked = site.fact.args[0] if site.fact.args else func.value
        if flow.text_of(asked, scope) == written.text and _spares(function, site, written.site):
            return site
    return None


def fetched_from(model: Model, written: FileAccess) -> CallSite | None:
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
