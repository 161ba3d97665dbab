"""A database session that nothing types is told by what it is given: `request.db.add(Order(…))`, `db.execute(select(Order))`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.values import ClassValue, Container, Instance, Library, LibraryObject

if TYPE_CHECKING:
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo

_WITHOUT_EVIDENCE = frozenset({"commit", "flush", "rollback", "begin", "begin_nested", "expunge_all"})


class SessionReader:
    """Resolves methods of unknown receivers by arguments that only a session takes."""

    def __init__(self, evaluator: Evaluator) -> None:
        """`guessed` collects the calls that were resolved so."""
        self._evaluator = evaluator
        self._knowledge = evaluator.knowledge
        self._sessions: dict[str, frozenset[str]] | None = None
        self._methods: frozenset[str] = frozenset()
        self._receivers: dict[tuple[int, str], str] = {}
        self.guessed: set[int] = set()

    def forget(self) -> None:
        """Drop what was found before more was known."""
        self._receivers.clear()
        self.guessed.clear()

    def callee(self, site: CallSite) -> tuple[Library, ...]:
        """The method of a session that this call must be; empty when nothing shows it."""
        func = site.fact.func
        if not isinstance(func, f.Attr) or func.name not in self._known_methods():
            return ()
        self._evaluator.doubt = True  # other calls of the same receiver may be read later
        receiver = flow.text_of(func.value, site.function.scope)
        key = (id(site.function), receiver)
        if func.name in _WITHOUT_EVIDENCE:
            session = self._receivers.get(key) or self._of_neighbour(site, receiver)
        else:
            session = self._by_arguments(site, func.name)
            if session:
                self._receivers[key] = session
        if not session:
            return ()
        self.guessed.add(id(site.fact))
        return (Library(self._knowledge.member(session, func.name), LibraryObject(session)),)

    def _known_methods(self) -> frozenset[str]:
        if self._sessions is None:
            self._sessions = self._find_sessions()
            names = {
                n.rpartition(".")[2]
                for n in self._knowledge.tables.call.names
                if n.rpartition(".")[0] in self._sessions
            }
            self._methods = frozenset(names)
        return self._methods

    def _find_sessions(self) -> dict[str, frozenset[str]]:
        """Types that take objects to insert and commit them, with the distributions that they come with."""
        calls = self._knowledge.tables.call.names
        found = {}
        for name in self._knowledge.tables.types:
            if f"{name}.add" in calls and f"{name}.commit" in calls and f"{name}.flush" in calls:
                library = self._knowledge.library_of(name)
                found[name] = frozenset(library.distributions or (library.library,)) if library else frozenset()
        return found

    def _by_arguments(self, site: CallSite, method: str) -> str:
        for expr in site.fact.args[:1]:
            for value in self._evaluator.evaluate(expr, site.function, site.fact.order):
                family = self._family(value, method)
                if family:
                    return self._session(method, family, site)
        return ""

    def _family(self, value: object, method: str) -> frozenset[str]:
        """Distributions of the mapper whose model or statement a value is."""
        match value:
            case ClassValue(cls=cls) if method in {"query", "get", "get_one", "bulk_insert_mappings"}:
                return self._family_of(cls)
            case Instance(cls=cls) if method not in {"get", "query"}:
                return self._family_of(cls)
            case Container(items=items) if method == "add_all":
                return next((family for item in items if (family := self._family(item, "add"))), frozenset())
            case LibraryObject(type=name, model=model) if model is not None and method not in {"add", "get"}:
                library = self._knowledge.library_of(name)
                return frozenset(library.distributions or (library.library,)) if library else frozenset()
        return frozenset()

    def _family_of(self, cls: ClassInfo) -> frozenset[str]:
        if not self._evaluator.orm.is_model(cls):
            return frozenset()
        found: set[str] = set()
        for base in cls.library_bases:
            for name in (base, *self._knowledge.type_bases(base)):
                library = self._knowledge.library_of(name)
                if library is not None and any(row.construct == "model" for row in self._knowledge.schema_rows(name)):
                    found.update(library.distributions or (library.library,))
        if not found:  # mapped by a base that nothing describes
            found.update(distribution for known in (self._sessions or {}).values() for distribution in known)
        return frozenset(found)

    def _session(self, method: str, family: frozenset[str], site: CallSite) -> str:
        """The plain session of the family, or the asynchronous one where the call is awaited."""
        sessions = self._sessions or {}
        fitting = [
            n for n, d in sessions.items() if d & family and f"{n}.{method}" in self._knowledge.tables.call.names
        ]
        if not fitting and method != "query":
            fitting = [n for n in sessions if f"{n}.{method}" in self._knowledge.tables.call.names]
        for name in fitting:
            rows = self._knowledge.calls(f"{name}.{method}")
            if site.fact.awaited == any(row.awaitable for row in rows):
                return name
        return fitting[0] if fitting else ""

    def _of_neighbour(self, site: CallSite, receiver: str) -> str:
        """Another call of the same receiver in the same function, whose arguments show what it is."""
        for other in site.function.calls:
            func = other.fact.func
            if (
                isinstance(func, f.Attr)
                and func.name in self._methods
                and func.name not in _WITHOUT_EVIDENCE
                and flow.text_of(func.value, site.function.scope) == receiver
            ):
                session = self._by_arguments(other, func.name)
                if session:
                    return session
        return ""
