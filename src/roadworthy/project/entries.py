"""Where control comes in, how often the same input may come, and which functions each entry reaches."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import msgspec

from roadworthy.facts import schema as f
from roadworthy.knowledge.names import when_matches
from roadworthy.knowledge.vocabulary import Delivery, EntryKind
from roadworthy.project import flow, values
from roadworthy.project.arguments import argument
from roadworthy.project.consolescripts import console_scripts
from roadworthy.project.endpoints import marked, registered
from roadworthy.project.entry import Entry
from roadworthy.project.entryreach import ENDLESS, EntryReach
from roadworthy.project.entryshapes import EntryShapes, listed
from roadworthy.project.implicit import default_calls, receivers_of, takers_of
from roadworthy.project.operations import operations
from roadworthy.project.phrases import is_question
from roadworthy.project.routes import route_prefix
from roadworthy.project.webhooks import is_webhook

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.facts.schema import AuxFacts
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.knowledge.schema import EntryRow
    from roadworthy.project.calls import CallGraph, Edge
    from roadworthy.project.entry import Reached
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.guards import Guards
    from roadworthy.project.switches import Switches
    from roadworthy.project.symbols import CallSite, ClassInfo, Function, Symbols


class Entries:
    """All entry points, and for each function those that reach it."""

    def __init__(
        self,
        symbols: Symbols,
        graph: CallGraph,
        knowledge: Knowledge,
        evaluator: Evaluator,
        guards: Guards,
        switches: Switches,
        around: Sequence[AuxFacts],
    ) -> None:
        """Found from decorators, base classes, registering calls, names and loops."""
        self._symbols = symbols
        self._graph = graph
        self._knowledge = knowledge
        self._evaluator = evaluator
        self._guards = guards
        self._found: dict[Function, list[Entry]] = {}
        self._by_decorators()
        self._by_bases()
        self._by_base_names()
        self._by_registration()
        for method, row, name in (*listed(symbols, knowledge), *marked(symbols, knowledge, evaluator)):
            self._add_row(method, row, name, None)
        self._by_defaults()
        self._by_names()
        self._by_delivery()
        self._by_shape()
        self._by_loops()
        self._by_scripts(around)
        self._by_operations(around)
        self.all: tuple[Entry, ...] = tuple(entry for entries in self._found.values() for entry in entries)
        self._reach = EntryReach(graph, evaluator, switches, self.all)

    def at(self, function: Function) -> tuple[Entry, ...]:
        """Entries that this function itself is."""
        return tuple(self._found.get(function, ()))

    def reaching(self, function: Function) -> tuple[Reached, ...]:
        """Entries from which control may come to this function."""
        return self._reach.reaching(function)

    def is_of_callers(self, edge: Edge) -> bool:
        """Does it lead to one of several functions that callers have given? Whoever gave it has an edge to it of its own."""
        return self._reach.is_of_callers(edge)

    def path(self, entry: Entry, function: Function) -> list[Edge]:
        """The shortest chain of edges from an entry to a function."""
        return self._reach.path(entry, function)

    # --- discovery ----------------------------------------------------------------------------------------------------

    def _add(self, entry: Entry) -> None:
        found = self._found.setdefault(entry.function, [])
        if any(e.kind is entry.kind and e.source == entry.source for e in found):
            return
        found.append(entry)

    def _by_decorators(self) -> None:
        for function in self._symbols.functions:
            outer = function.parent
            if outer is None or function.kind not in {"function", "class"}:
                continue
            for expr in function.scope.decorators:
                site = outer.calls[expr.index] if isinstance(expr, f.CallRef) else None
                for value in self._evaluator.decorator_values(expr, outer):
                    self._decorated(function, value, site, 0)

    def _decorated(self, function: Function, value: values.Value, site: CallSite | None, depth: int) -> None:
        if isinstance(value, values.Library):
            for row in self._knowledge.entries(value.name):
                if row.form in {"decorator", "registers"} and self._holds(row, site):
                    self._add_row(function, row, value.name, site)
        elif isinstance(value, values.FunctionValue) and depth < 3:
            self._house_decorator(function, value.function, site, depth)
        elif isinstance(value, values.LibraryObject):
            for row in self._knowledge.entries(f"{value.type}.__call__"):
                self._add_row(function, row, value.type, site)

    def _house_decorator(self, function: Function, decorator: Function, site: CallSite | None, depth: int) -> None:
        """A decorator of the project that hands its function to a framework makes it an entry."""
        scopes = [decorator, *(c for cs in decorator.children.values() for c in cs if c.kind == "function")]
        for scope in scopes:
            for inner in scope.calls:
                for value in self._evaluator.callees(inner):
                    if isinstance(value, values.Library):
                        for row in self._knowledge.entries(value.name):
                            if row.form in {"decorator", "registers"} and self._holds(row, inner):
                                self._add_row(function, row, value.name, inner)
            for child in scope.children.values():
                for wrapper in child:
                    for name in self._evaluator.decorators_of(wrapper):
                        for row in self._knowledge.entries(name):
                            if row.form == "decorator":
                                self._add_row(function, row, name, None)

    def _holds(self, row: EntryRow, site: CallSite | None) -> bool:
        if not row.when:
            return True
        return site is not None and when_matches(row.when, self._literals(site))

    def _literals(self, site: CallSite) -> dict[str, str]:
        found: dict[str, str] = {}
        for place, expr in (*((str(i), a) for i, a in enumerate(site.fact.args)), *site.fact.kwargs):
            value = self._evaluator.evaluate(expr, site.function, site.fact.order)
            if len(value) == 1 and isinstance(value[0], values.Literal):
                found[place] = str(value[0].value)
        return found

    def _by_bases(self) -> None:
        for cls in self._symbols.classes:
            for base in cls.library_bases:
                for known in (base, *self._knowledge.type_bases(base)):
                    for row in self._knowledge.entries(known):
                        if row.form == "base-class":
                            self._class_entries(cls, row, known)

    def _by_base_names(self) -> None:
        """Base classes of no library that we know: their names are all there is (`orders_pb2_grpc.OrdersServicer`, `house.web.BaseHandler`)."""
        rows = [
            (row, library.modules)
            for library in self._knowledge.libraries
            for row in library.entry
            if row.form == "base-name"
        ]
        for cls in self._symbols.classes:
            names = (*cls.library_bases, *(f"{base.module.name}.{base.name}" for base in cls.mro[1:]))
            strange = tuple(name for name in cls.library_bases if self._knowledge.library_of(name) is None)
            for row, modules in rows:
                if row.of_strangers and not (strange and self._evaluator.telltales.imports(modules)):
                    continue
                among = strange if row.of_strangers else names
                base = next((name for name in among if any(fnmatchcase(name, p) for p in row.bases)), "")
                if base:
                    self._class_entries(cls, row, base)

    def _class_entries(self, cls: ClassInfo, row: EntryRow, base: str) -> None:
        for ancestor in cls.mro:
            for name, method in ancestor.methods.items():
                if any(fnmatchcase(name, p) for p in row.methods or ("run",)) and self._shape_fits(method, row):
                    self._add_row(method, row, base, None)

    def _by_registration(self) -> None:
        for site, resolution in self._graph.resolutions.items():
            for library in resolution.libraries:
                for row in self._knowledge.entries(library.name):
                    if row.form == "registers" and self._holds(row, site) and site.fact.use != "decorator":
                        self._registered(site, row, library.name)

    def _registered(self, site: CallSite, row: EntryRow, name: str) -> None:
        if row.callable is None:
            self._implied(site, row, name)
            return
        expr = argument(site.fact, row.callable)
        if expr is None:
            return
        for function in registered(site, row, expr, self._evaluator):
            self._add_row(function, row, name, site)

    def _implied(self, site: CallSite, row: EntryRow, name: str) -> None:
        """No callable is handed over: the code that verifies the event, or takes messages from the consumer, is the entry."""
        if row.kind == EntryKind.WEBHOOK_HANDLER.value:
            for function in receivers_of(site, self._graph, lambda fn: fn in self._found):
                http = self._found[function][0]
                self._add_row(function, row, name, http.site)
        else:
            for function in takers_of(
                site, self._knowledge.canonical(name), self._symbols, self._graph, self._evaluator
            ):
                self._add_row(function, row, name, site)

    def _by_defaults(self) -> None:
        """A parameter whose default is an object of the framework: `every: Perpetual = Perpetual(…)`."""
        for function, site in default_calls(self._symbols):
            for library in self._graph.resolutions[site].libraries:
                for row in self._knowledge.entries(library.name):
                    if row.form == "default" and self._holds(row, site):
                        self._add_row(function, row, library.name, site)

    def _by_names(self) -> None:
        for module in self._symbols.modules:
            for children in module.body.children.values():
                function = children[-1]
                if function.kind != "function":
                    continue
                for row in self._knowledge.entries(function.name):
                    if row.form == "name" and self._shape_fits(function, row):
                        self._add_row(function, row, function.name, None)
            for leaf in self._main_blocks(module.body):
                self._add(leaf)

    def _shape_fits(self, function: Function, row: EntryRow) -> bool:
        """A function that is an entry by its name alone must also look like one: `handler(event, context)`."""
        wanted, first = row.parameters, int(row.form == "base-class")
        return tuple(p.name.lstrip("_") for p in function.scope.params[first : first + len(wanted)]) == tuple(wanted)

    def _main_blocks(self, body: Function) -> Iterator[Entry]:
        """`if __name__ == "__main__":` makes the module a command."""
        for region in body.scope.regions:
            test = region.test
            if (
                region.kind == "if"
                and isinstance(test, f.Compare)
                and isinstance(test.left, f.Name)
                and test.left.id == "__name__"
            ):
                yield Entry(
                    EntryKind.COMMAND, body, f"python {body.path}", "__main__", Delivery.RERUN, concurrent=False
                )
                return

    def _by_delivery(self) -> None:
        """Functions that a broker or engine runs although nothing declares them (`queue.enqueue(f)`)."""
        for function, edges in list(self._graph.incoming.items()):
            if function in self._found:
                continue
            kinds = {edge.kind for edge in edges}
            if "job" in kinds:
                self._add(Entry(EntryKind.JOB, function, f"job {function.qualname}", "enqueued", Delivery.AT_MOST_ONCE))
            elif "durable" in kinds:
                self._add(
                    Entry(
                        EntryKind.DURABLE_ACTIVITY,
                        function,
                        f"step {function.qualname}",
                        "started",
                        Delivery.AT_LEAST_ONCE,
                        retried=True,
                    )
                )
            for kind, entry in (("hook:startup", EntryKind.STARTUP), ("hook:shutdown", EntryKind.SHUTDOWN), ("hook:atexit", EntryKind.SHUTDOWN),
                                ("hook:signal", EntryKind.SHUTDOWN)):  # fmt: skip
                if kind in kinds:
                    self._add(Entry(entry, function, f"{entry.value} {function.qualname}", kind, entry.word.delivery))

    def _by_shape(self) -> None:
        """Jobs of an application that could not be followed."""
        shapes = EntryShapes(self._symbols, self._knowledge, self._evaluator)
        for function in self._symbols.functions:
            if function.kind == "function" and function not in self._found:
                for row, name, site in shapes.decorated(function):
                    self._add_row(function, row, name, site)
        for function in shapes.sent():
            if function not in self._found:
                self._add(Entry(EntryKind.JOB, function, f"job {function.qualname}", "sent", Delivery.AT_MOST_ONCE))
        for entry in (e for e in shapes.subcommands() if e.function not in self._found):
            self._add(entry)

    def _by_loops(self) -> None:
        """A function with an endless loop of work is an entry of its own."""
        for function in self._symbols.functions:
            if function.kind != "function" or function in self._found:
                continue
            for index, region in enumerate(function.scope.regions):
                if (
                    region.kind == "while"
                    and self._guards.loop(function, index).kind == "worker"
                    and self._works(function, index)
                ):
                    self._add(
                        Entry(
                            EntryKind.WORKER_LOOP, function, f"loop {function.qualname}", ENDLESS, Delivery.RERUN,
                            concurrent=False, on_loop=function.is_async,
                        )
                    )  # fmt: skip
                    break

    def _by_scripts(self, around: Sequence[AuxFacts]) -> None:
        """What an installed project puts on the path."""
        kind = EntryKind.COMMAND
        for name, function in console_scripts(self._symbols, self._evaluator, around):
            if all(entry.kind is not kind for entry in self._found.get(function, ())):
                self._add(Entry(kind, function, f"command {name}", "console script", kind.word.delivery))

    def _by_operations(self, around: Sequence[AuxFacts]) -> None:
        """What a document that describes the service's interface names."""
        for label, function in operations(self._symbols, self._evaluator, around):
            kind = EntryKind.WEBHOOK_HANDLER if is_webhook(function, label) else EntryKind.HTTP_HANDLER
            self._add(Entry(kind, function, label, "openapi", kind.word.delivery, on_loop=function.is_async))

    def _works(self, function: Function, region: int) -> bool:
        if function.scope.is_generator:
            return False
        calls = list(flow.calls_in(function.scope, region))
        leaves_at_once = function.scope.regions[region].exits in {"return", "raise", "break"}
        return len(calls) >= 1 and not leaves_at_once and not any(self._asks(function.site(call)) for call in calls)

    def _asks(self, site: CallSite) -> bool:
        """A person types the next item: the loop waits for somebody who sees that it hangs."""
        resolution = self._graph.resolutions.get(site)
        return resolution is not None and any(is_question(library.name) for library in resolution.libraries)

    def _add_row(self, function: Function, row: EntryRow, name: str, site: CallSite | None) -> None:
        if function.kind == "class":
            for pattern in row.methods or ("run",):
                method = function.cls.find_method(pattern) if function.cls else None
                if method is not None:
                    self._add_row(method, replace_methods(row), name, site)
            return
        kind = EntryKind(row.kind)
        label = self._label(kind, function, site)
        if kind is EntryKind.HTTP_HANDLER and is_webhook(function, label):
            kind = EntryKind.WEBHOOK_HANDLER
        keywords = dict(site.fact.kwargs) if site is not None else {}
        delivery = Delivery(row.delivery) if row.delivery else kind.word.delivery
        for keyword, word in row.delivery_if.items():
            if keyword in keywords and not self._is_false(keywords[keyword], site):
                delivery = Delivery(word)
        acks = row.acks
        if any(k in keywords and not self._is_false(keywords[k], site) for k in row.acks_after_if):
            acks = "after"
        asks_retry = any(k in keywords and not self._is_false(keywords[k], site) for k in row.retry_arguments)
        retried = asks_retry or (row.attempts == "forever" or (isinstance(row.attempts, int) and row.attempts > 1))
        on_loop = row.thread == "loop" or (row.thread == "" and function.is_async)
        concurrent = row.concurrent if row.concurrent is not None else kind.word.concurrent
        self._add(
            Entry(
                kind,
                function,
                label,
                name,
                delivery,
                None if asks_retry else row.attempts,
                retried,
                acks,
                row.in_transaction,
                row.installs_shutdown,
                concurrent,
                on_loop,
                site,
                row,
            )
        )

    def _is_false(self, expr: f.Expr, site: CallSite | None) -> bool:
        if site is None:
            return False
        value = self._evaluator.evaluate(expr, site.function, site.fact.order)
        return len(value) == 1 and isinstance(value[0], values.Literal) and value[0].value in (False, None, 0)

    def _label(self, kind: EntryKind, function: Function, site: CallSite | None) -> str:
        text = ""
        if site is not None and kind in {EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER}:
            literals = self._literals(site)
            route = next((v for k, v in literals.items() if k in {"0", "path", "rule", "1"} and "/" in v), "")
            method = site.fact.func.name.upper() if isinstance(site.fact.func, f.Attr) else ""
            method = method if method in {"GET", "POST", "PUT", "PATCH", "DELETE"} else ""
            text = f"{method} {route_prefix(site, self._evaluator) if route else ''}{route}".strip()
        return text or f"{kind.value.replace('-', ' ')} {function.qualname}"


def replace_methods(row: EntryRow) -> EntryRow:
    """The row without its method patterns (they were followed)."""

    return msgspec.structs.replace(row, methods=())
