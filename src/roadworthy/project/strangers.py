"""Calls into libraries that no library file speaks of: what names and the `await` tell of them.

The last resort for rules to which it is enough that a call may fail; how long it may take or whether it may be repeated is not known.
"""

from __future__ import annotations

import builtins
import re
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.findings.finding import Confidence
from roadworthy.project.phrases import words_of
from roadworthy.project.values import Instance, Library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.symbols import CallSite, Function, Module, Symbols

_SENDS = re.compile(
    r"send|sends|post|publish|upload|notify|deliver|push|broadcast|submit|invite|mail|email|dispatch|transmit|forward"
)
_ASKS = re.compile(r"download|fetch|request|query|scrape|crawl|invoke|retrieve|lookup|search|execute|call|poll|sync")
_CLIENT = re.compile(
    r"client|clients|api|sdk|gateway|transport|bot|sender|producer|publisher|mailer|uploader|downloader|notifier|stub|messenger"
)
"""Last words of classes whose objects stand for somebody else."""
_QUIET = re.compile(
    r"is|has|set|with|from|to|as|format|parse|build|make|encode|decode|serialize|deserialize|validate|register|configure|use|on|init|new|url|repr"
    r"|close|aclose|start|stop|run|join|gather|shield|sleep|wait|acquire|release|cancel|shutdown|setup|enter|exit|cleanup|dispose|reset|lock"
    r"|option|options|header|headers|log|debug|info|warning|error|exception|clone|copy|sign|hash|encrypt|decrypt|compile|render|add_handler"
)
"""First words of methods that prepare, configure or wait."""
_LOCAL = re.compile(
    r"handler|handlers|listener|callback|hook|middleware|command|cog|route|router|header|headers|option|filter|path|name|url|uri|schema"
)
"""Last words of methods that only note something on the object."""
_DEPTH = 8
"""How far back an object is followed: a link of a chain costs one, a name, an attribute or a function that returns it two."""


class Strangers:
    """Asked for each call that no row speaks of."""

    def __init__(self, graph: CallGraph, knowledge: Knowledge, symbols: Symbols) -> None:
        """Nothing is asked before the first call."""
        self._graph = graph
        self._knowledge = knowledge
        self._own = frozenset(pair for module in symbols.modules for pair in _pairs(module))
        self._foreign: dict[str, bool] = {}

    def asked(self, site: CallSite) -> tuple[str, Confidence] | None:
        """(dotted name, how sure) of a call that asks something outside, as far as names tell."""
        func = site.fact.func
        last = func.name if isinstance(func, f.Attr) else func.id if isinstance(func, f.Name) else ""
        words = words_of(last)
        if not words or (_QUIET.fullmatch(words[0]) and not _does(words)) or _LOCAL.fullmatch(words[-1]):
            return None
        if any(keyword.startswith("default") for keyword, _ in site.fact.kwargs):
            return None  # what it gives when nobody answers
        resolution = self._graph.resolutions[site]
        if resolution.functions or resolution.classes:
            return None
        if resolution.libraries:
            return self._by_name(site, resolution.libraries, words)
        if not isinstance(func, f.Attr):
            return None
        made = self._maker(func.value, site.function, _DEPTH)
        if not made or not (_does(words) or site.fact.awaited or _is_client(made)):
            return None
        sure = _does(words) or _is_client(made)
        return f"{made}.{last}", Confidence.MEDIUM if sure else Confidence.LOW

    def _by_name(
        self, site: CallSite, libraries: tuple[Library, ...], words: list[str]
    ) -> tuple[str, Confidence] | None:
        library = libraries[0]
        if not all(self._is_foreign(one.name) for one in libraries):
            return None
        owner = library.name.rpartition(".")[0].rpartition(".")[2]
        own = library.receiver.cls.name if isinstance(library.receiver, Instance) else ""
        if owner[:1].isupper() or own:
            made = library.receiver is not None  # `Client.create()` of the class itself makes an object
            client = made and (_is_client(owner) or _is_client(own))
            if client or (site.fact.awaited and not own):
                sure = client or _does(words)
                return library.name, Confidence.MEDIUM if sure else Confidence.LOW
            return (library.name, Confidence.LOW) if _SENDS.fullmatch(words[0]) and not own else None
        if library.name.rpartition(".")[2][:1].isupper():
            return None  # a class: to make an object asks nobody
        does = _SENDS.fullmatch(words[0]) is not None or words[0] in {"download", "fetch"}
        if site.fact.awaited or does:
            return library.name, Confidence.MEDIUM if does else Confidence.LOW
        return None

    def _maker(self, expr: f.Expr | None, function: Function, depth: int) -> str:
        """The name in an unknown library by which an object was made: `repo` of `repo = lib.connect(…)`, `lib.Api(1).repo("a")`."""
        if depth <= 0:
            return ""
        match expr:
            case f.Await(value=inner):
                return self._maker(inner, function, depth - 1)
            case f.CallRef(index=index):
                return self._made_by(function.calls[index], depth)
            case f.Name(id=name):
                where = function if name in function.bindings else function.module.body
                for assign in where.bindings.get(name, [])[-3:]:
                    found = self._maker(assign.value, where, depth - 2) if assign.op in _BINDS else ""
                    if found:
                        return found
            case f.Attr(value=f.Name(id="self"), name=name) if function.cls is not None:
                for ancestor in function.cls.mro:
                    for method, assign in ancestor.attribute_assigns.get(name, [])[-3:]:
                        found = self._maker(assign.value, method, depth - 2)
                        if found:
                            return found
            case f.Attr(value=inner):
                return self._maker(inner, function, depth - 1)
        return ""

    def _made_by(self, site: CallSite, depth: int) -> str:
        resolution = self._graph.resolutions[site]
        for library in resolution.libraries:
            if not resolution.classes and self._is_foreign(library.name):
                return library.name
        for callee in resolution.functions[:2]:
            for leave in callee.scope.leaves:
                if leave.kind == "return" and (found := self._maker(leave.value, callee, depth - 2)):
                    return found
        func = site.fact.func
        if not resolution.libraries and not resolution.functions and isinstance(func, f.Attr):
            made = self._maker(func.value, site.function, depth - 1)
            return f"{made}.{func.name}" if made else ""  # what a client answers is no client
        return ""

    def _is_foreign(self, name: str) -> bool:
        """Of a library that is neither the language's, nor the project's, nor one that a library file speaks of."""
        known = self._foreign.get(name)
        if known is None:
            root, _, rest = name.partition(".")
            known = (
                rest != ""
                and root not in {"", "builtins"}
                and ".signals." not in name
                and root not in sys.stdlib_module_names
                and (root, rest.partition(".")[0]) not in self._own
                and not hasattr(builtins, root)
                and self._knowledge.library_of(name) is None
            )
            self._foreign[name] = known
        return known


_BINDS = frozenset({"=", ":=", "with"})


def _pairs(module: Module) -> Iterator[tuple[str, str]]:
    """(folder, file) and (file, what it defines): an import that found no module may be one of the project all the same."""
    parts = module.path.removesuffix(".py").split("/")
    yield from pairwise(parts)
    yield from ((parts[-1], name) for name in module.body.children)


def sends(name: str) -> bool:
    """Does the name of the call say that something is handed on, not asked for?"""
    return any(_SENDS.fullmatch(word) for word in words_of(name.rpartition(".")[2]))


def _does(words: list[str]) -> bool:
    return any(_SENDS.fullmatch(word) or _ASKS.fullmatch(word) for word in words)


def _is_client(name: str) -> bool:
    words = words_of(name.rpartition(".")[2])
    return bool(words) and _CLIENT.fullmatch(words[-1]) is not None
