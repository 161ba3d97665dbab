"""How a client was built: which timeout bounds its calls, what it retries by itself, and where that was decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.findings.finding import Confidence
from roadworthy.project import flow, values
from roadworthy.project.arguments import argument, has_spread
from roadworthy.project.mentions import mentions
from roadworthy.project.passedon import is_never_given

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.knowledge.schema import Retry, Timeout
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.effects import EffectAt, Effects
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.makers import Makers
    from roadworthy.project.settings import ProjectSettings
    from roadworthy.project.symbols import CallSite, ClassInfo, Function, Symbols

Bound = Literal["bounded", "forever", "unknown"]


@dataclass(frozen=True, slots=True)
class TimeoutVerdict:
    """May a call wait for ever, and where was that decided?"""

    bound: Bound
    seconds: float | None = None  # where known
    cause: CallSite | None = None  # the call or the construction that decides
    at_construction: bool = False
    reason: str = ""  # "absent" "partly" "none" "zero" "no parameter" "passed" "default"
    parameter: str = ""  # what to set
    confidence: Confidence = Confidence.HIGH
    timeout: Timeout | None = None


@dataclass(frozen=True, slots=True)
class RetryVerdict:
    """What a client repeats by itself."""

    attempts: int | str | None  # total; "forever"; None: repeats, number unknown
    site: CallSite | None = None  # where it was set; None: the library's default
    writes: bool = False
    key: bool = False
    on: tuple[str, ...] = ()
    backoff: str = "unknown"

    @property
    def repeats(self) -> bool:
        """More than one attempt."""
        return self.attempts != 1


UNKNOWN = TimeoutVerdict("unknown")
_SENDS = frozenset({"post", "patch"})
"""Requests that a policy for a client leaves out unless it is told otherwise."""


class Clients:
    """Answers about timeouts and retries of library calls."""

    def __init__(
        self,
        symbols: Symbols,
        graph: CallGraph,
        knowledge: Knowledge,
        evaluator: Evaluator,
        effects: Effects,
        settings: ProjectSettings,
        makers: Makers,
    ) -> None:
        """`settings`: what the project or its configuration sets (`EMAIL_TIMEOUT`, environment variables)."""
        self._symbols = symbols
        self._graph = graph
        self._knowledge = knowledge
        self._evaluator = evaluator
        self._effects = effects
        self._settings = settings
        self._set = settings.names
        self._makers = makers
        self._called = {library.name for r in graph.resolutions.values() for library in r.libraries}
        self._neighbours: dict[CallSite, tuple[CallSite, ...]] = {}
        self._retried_types: dict[str, bool] = {}
        self._retried_roots: frozenset[str] | None = None
        self._bound_types: dict[tuple[str, str], bool] = {}

    # --- timeouts -----------------------------------------------------------------------------------------------------

    def timeout(self, effect: EffectAt) -> TimeoutVerdict:
        """How long the call of this effect may take."""
        rule = effect.row.timeout
        if rule is None or self._is_replaced(effect):
            return UNKNOWN
        if any(self._is_set(name) for name in rule.environment):
            return TimeoutVerdict("bounded", reason="environment", timeout=rule)
        if rule.via == "call":
            verdict = self._at(effect.site, rule, effect.site, at_construction=False)
            if verdict.reason == "absent" and any(self._sets_timeout(r) for r in self.receivers(effect)):
                return TimeoutVerdict("bounded", reason="passed", timeout=rule)
            return verdict
        if rule.via == "either":
            own = self._given(effect.site, rule, constructor=False)
            if own is not None:
                return own
            if has_spread(effect.site.fact):  # `request(url, **options)`: the options may bring what the client lacks
                brought = self._spread(effect.site, rule, effect.site, at_construction=False)
                if brought.bound != "forever":
                    return brought
        return self._constructed(effect, rule)

    def _is_replaced(self, effect: EffectAt) -> bool:
        """A setting of the project puts another backend behind the call, of which the row says nothing."""
        backend = effect.row.backend
        if backend is None or self._brings(effect, backend.argument):
            return False
        chosen = [
            str(setting.value).lower() if setting.known else "" for setting in self._settings.get(*backend.settings)
        ]
        chosen = [text for text in chosen if not any(part in text for part in backend.development)]
        return bool(chosen) and not any(part in text for text in chosen for part in backend.own)

    def _brings(self, effect: EffectAt, keyword: str) -> bool:
        """The call, or the construction of what it is made on, is given its own backend."""
        built = [r.site for r in self.receivers(effect) if isinstance(r, values.LibraryObject)]
        sites = [effect.site, *(site for site in built if site is not None)]
        return any(name == keyword for site in sites for name, _ in site.fact.kwargs)

    def _is_set(self, name: str) -> bool:
        return name in self._set or name in self._called

    def _at(self, site: CallSite, rule: Timeout, cause: CallSite, *, at_construction: bool) -> TimeoutVerdict:
        given = self._given(site, rule, constructor=at_construction)
        if given is not None:
            return given
        if at_construction and any(
            k in rule.lease and not (isinstance(v, f.Const) and v.kind == "none") for k, v in site.fact.kwargs
        ):
            return TimeoutVerdict("bounded", None, site, True, "lease", timeout=rule)
        if has_spread(site.fact) or any(isinstance(a, f.Star) for a in site.fact.args):
            return self._spread(site, rule, cause, at_construction)
        reason = "no parameter" if rule.impossible else "absent"
        verdict = self._verdict(rule.absent, cause, reason, rule, at_construction)
        written = {keyword for keyword, _ in site.fact.kwargs}
        missing = [name for name in rule.arguments if name not in written]
        if verdict.bound == "forever" and len(missing) < len(rule.arguments):
            return replace(verdict, reason="partly", parameter=missing[0])
        return verdict

    def _spread(self, site: CallSite, rule: Timeout, cause: CallSite, at_construction: bool) -> TimeoutVerdict:
        """`f(**options)`: looks into a literal mapping; else unknown."""
        for keyword, expr in site.fact.kwargs:
            if keyword != "**":
                continue
            if isinstance(expr, f.Name) and any(
                key in {rule.argument, rule.config, *rule.arguments} or "timeout" in key
                for key, _ in flow.item_assigns(site.function.scope, expr.id)
            ):
                return TimeoutVerdict("unknown", reason="passed", timeout=rule)
            limits = {name for name in (rule.argument, rule.config, *rule.arguments) if name}
            by_position = rule.position is not None and any(isinstance(a, f.Star) for a in site.fact.args)
            if not at_construction and not by_position and is_never_given(site, expr, limits, self._graph):
                return self._verdict(rule.absent, cause, "absent", rule, at_construction)
            for value in self._evaluator.evaluate(expr, site.function, site.fact.order):
                if isinstance(value, values.Container) and value.keys and "" not in dict(value.keys):
                    names = {k for k, _ in value.keys}
                    if not (names & {rule.argument, rule.config, *rule.arguments}):
                        return self._verdict(rule.absent, cause, "absent", rule, at_construction)
        return TimeoutVerdict("unknown", reason="passed", timeout=rule)

    def _verdict(
        self, bound: float | str | None, cause: CallSite, reason: str, rule: Timeout, at_construction: bool,
        confidence: Confidence = Confidence.HIGH,
    ) -> TimeoutVerdict:  # fmt: skip
        parameter = rule.argument or (rule.arguments[0] if rule.arguments else "") or rule.config or ""
        if bound is None:
            return TimeoutVerdict("unknown", timeout=rule)
        if bound == "forever":
            return TimeoutVerdict("forever", None, cause, at_construction, reason, parameter, confidence, rule)
        return TimeoutVerdict("bounded", float(bound), cause, at_construction, reason, parameter, confidence, rule)

    def _given(self, site: CallSite, rule: Timeout, *, constructor: bool) -> TimeoutVerdict | None:
        """The verdict of a timeout written at this call; None when none is written there."""
        expr = self._written(site, rule, constructor)
        if expr is not None:
            return self._judge(expr, site, rule, constructor)
        if rule.config is not None:
            config = next((v for k, v in site.fact.kwargs if k == rule.config), None)
            if config is not None:
                return self._in_config(config, site, rule, constructor)
        if rule.arguments:
            given = {k for k, _ in site.fact.kwargs}
            if given >= set(rule.arguments):
                return TimeoutVerdict("bounded", reason="passed", timeout=rule)
        if rule.url and any(part in text for text in self._texts(site) for part in rule.url):
            return TimeoutVerdict("bounded", reason="url", timeout=rule)
        return None

    def _written(self, site: CallSite, rule: Timeout, constructor: bool) -> f.Expr | None:
        if rule.argument is not None:
            for keyword, expr in site.fact.kwargs:
                if keyword == rule.argument:
                    return expr
        counts_here = rule.via != "either" or not constructor
        if rule.position is not None and counts_here and rule.position < len(site.fact.args):
            args = site.fact.args[: rule.position + 1]
            return None if any(isinstance(a, f.Star) for a in args) else args[rule.position]
        return None

    def _texts(self, site: CallSite) -> Iterator[str]:
        for expr in (*site.fact.args[:2], *(v for _, v in site.fact.kwargs)):
            for part in flow.walk(expr):
                if isinstance(part, f.Str):
                    yield part.value
            value = self._evaluator.literal(expr, site.function)
            if isinstance(value, str):
                yield value

    def _judge(self, expr: f.Expr, site: CallSite, rule: Timeout, at_construction: bool) -> TimeoutVerdict:
        if isinstance(expr, f.CallRef) and rule.object is not None:
            inner = site.function.calls[expr.index]
            if any(
                library.name == rule.object or library.name.endswith("." + rule.object.rpartition(".")[2])
                for library in self._graph.resolutions[inner].libraries
            ):
                return self._in_object(inner, site, rule, at_construction)
        found = self._evaluator.evaluate(expr, site.function, site.fact.order)
        literals = [v.value for v in found if isinstance(v, values.Literal)]
        if found and len(literals) == len(found):
            if all(value is None for value in literals):
                return self._verdict(rule.none, site, "none", rule, at_construction)
            if all(value == 0 and value is not False for value in literals) and rule.zero is not None:
                return self._verdict(rule.zero, site, "zero", rule, at_construction)
            numbers = [float(v) for v in literals if isinstance(v, int | float) and not isinstance(v, bool)]
            return TimeoutVerdict(
                "bounded", max(numbers) if numbers else None, site, at_construction, "passed", timeout=rule
            )
        for value in found:
            if (
                isinstance(value, values.LibraryObject)
                and rule.object
                and value.type == rule.object
                and value.site is not None
            ):
                return self._in_object(value.site, site, rule, at_construction)
        if self._always_default_none(expr, site.function):
            return self._verdict(rule.none, site, "none", rule, at_construction, Confidence.MEDIUM)
        return TimeoutVerdict("bounded", None, site, at_construction, "passed", timeout=rule)

    def _always_default_none(self, expr: f.Expr, function: Function) -> bool:
        """A parameter that defaults to None and that no caller ever passes; an attribute that holds one."""
        if isinstance(expr, f.Attr) and expr.value == f.Name("self") and function.cls is not None:
            kept = [found for cls in function.cls.mro for found in cls.attribute_assigns.get(expr.name, ())]
            return bool(kept) and all(
                assign.value is not None and self._always_default_none(assign.value, method) for method, assign in kept
            )
        if not isinstance(expr, f.Name) or expr.id not in function.parameters or expr.id in function.bindings:
            return False
        param = function.scope.params[function.parameters[expr.id]]
        if not (isinstance(param.default, f.Const) and param.default.kind == "none"):
            return False
        incoming = [edge for edge in self._graph.incoming.get(function, ()) if edge.kind != "callback"]
        if not incoming:
            return False
        for edge in incoming:
            call = edge.site.fact
            if any(k in {expr.id, "**"} for k, _ in call.kwargs) or any(isinstance(a, f.Star) for a in call.args):
                return False
            if len(call.args) > function.parameters[expr.id] - (1 if function.is_method else 0):
                return False
        return True

    def _in_object(self, inner: CallSite, site: CallSite, rule: Timeout, at_construction: bool) -> TimeoutVerdict:
        """`ClientTimeout(total=…)`: one of the arguments that bound the whole must be a number."""
        unset = ""
        for name in rule.object_arguments:
            expr = next((v for k, v in inner.fact.kwargs if k == name), None)
            if expr is None and name.isdigit() and int(name) < len(inner.fact.args):
                expr = inner.fact.args[int(name)]
            if expr is None:
                continue
            if not (isinstance(expr, f.Const) and expr.kind == "none"):
                return TimeoutVerdict("bounded", None, inner, at_construction, "passed", timeout=rule)
            unset = unset or name
        if unset:
            bound = rule.none if rule.none is not None else "forever"
            verdict = self._verdict(bound, inner, "none", rule, at_construction)
            return verdict if unset.isdigit() else replace(verdict, parameter=unset)
        if has_spread(inner.fact) or (not inner.fact.kwargs and inner.fact.args and "0" not in rule.object_arguments):
            return TimeoutVerdict("bounded", None, inner, at_construction, "passed", timeout=rule)
        return self._verdict(rule.object_absent, inner, "absent", rule, at_construction)

    def _in_config(self, config: f.Expr, site: CallSite, rule: Timeout, at_construction: bool) -> TimeoutVerdict | None:
        """`config=Config(read_timeout=…)`, `connect_args={"timeout": 5}`."""
        names = {n for n in (rule.argument, *rule.arguments) if n}
        sites = []
        if isinstance(config, f.CallRef):
            sites.append(site.function.calls[config.index])
        for value in self._evaluator.evaluate(config, site.function, site.fact.order):
            if isinstance(value, values.LibraryObject | values.Instance) and value.site is not None:
                sites.append(value.site)
            if isinstance(value, values.Container):
                keys = {k for k, _ in value.keys}
                if keys & names or any("timeout" in k for k in keys):
                    return TimeoutVerdict("bounded", None, site, at_construction, "passed", timeout=rule)
                if value.kind == "dict" and value.keys:
                    return None
        for inner in sites:
            given = {k for k, _ in inner.fact.kwargs}
            if given & names or "**" in given or any("timeout" in k for k in given):
                return TimeoutVerdict("bounded", None, inner, at_construction, "passed", timeout=rule)
            return None
        return TimeoutVerdict("unknown", reason="passed", timeout=rule)

    def _constructed(self, effect: EffectAt, rule: Timeout) -> TimeoutVerdict:
        site = effect.site
        given = argument(site.fact, rule.client)
        clients = self._evaluator.evaluate(given, site.function, site.fact.order) if given is not None else None
        verdicts = [
            self._of_receiver(client, rule) for client in (self.receivers(effect) if clients is None else clients)
        ]
        for verdict in verdicts:
            if verdict.bound == "forever":
                return verdict
        return verdicts[0] if verdicts else UNKNOWN

    def receivers(self, effect: EffectAt) -> list[values.Value]:
        """The objects on which the call is made."""
        return [
            library.receiver
            for library in self._graph.resolutions[effect.site].libraries
            if library.name == effect.name and library.receiver is not None
        ]

    def _of_receiver(self, receiver: values.Value, rule: Timeout) -> TimeoutVerdict:
        match receiver:
            case values.LibraryObject(site=site) if site is not None:
                if self._patched(site):
                    return TimeoutVerdict("bounded", None, site, True, "passed", timeout=rule)
                if self._is_project_class(site):
                    return UNKNOWN
                return self._built(site, rule)
            case values.LibraryObject(
                type=name
            ):  # known by its annotation: the one place that makes such clients decides
                made = self._makers.only(name)
                if made is not None and not self._patched(made) and not self._is_project_class(made):
                    return replace(self._built(made, rule), confidence=Confidence.MEDIUM)
            case values.Instance(cls=cls):
                return self._of_subclass(cls, receiver.site, rule)
        return UNKNOWN

    def _built(self, site: CallSite, rule: Timeout) -> TimeoutVerdict:
        """The construction decides, unless it borrows connections or is itself asked of a client: `client.pipeline()`."""
        if self._given(site, rule, constructor=True) is not None:
            return self._at(site, rule, site, at_construction=True)
        settled = self._by_settings(site)
        if settled is not None:
            if any(self._is_set(name) for name in settled.environment):
                return TimeoutVerdict("bounded", None, site, True, "environment", timeout=settled)
            return replace(self._at(site, rule, site, at_construction=True), parameter="", timeout=settled)
        pool = next((v for k, v in site.fact.kwargs if rule.lender is not None and k == rule.lender), None)
        if pool is not None:
            lenders = self._evaluator.evaluate(pool, site.function, site.fact.order)
            return self._of_receiver(lenders[0], rule) if len(lenders) == 1 else UNKNOWN
        for library in self._graph.resolutions[site].libraries:
            parent = library.receiver
            if (
                isinstance(parent, values.LibraryObject)
                and parent.site is not site
                and (self._lends(parent.type) or self._is_bound(parent.type, rule))
            ):
                return self._of_receiver(parent, rule)
        return self._at(site, rule, site, at_construction=True)

    def _by_settings(self, site: CallSite) -> Timeout | None:
        """`get_redis_connection()`: the client is made elsewhere, by what the settings say; the call takes no limit."""
        rows = (
            row for library in self._graph.resolutions[site].libraries for row in self._knowledge.calls(library.name)
        )
        limits = (row.timeout for row in rows if row.returns and row.timeout is not None)
        return next((limit for limit in limits if limit.environment and not (limit.argument or limit.config)), None)

    def _lends(self, type_name: str) -> bool:
        """A pool: what it lends is built by its own arguments."""
        names = (type_name, *self._knowledge.type_bases(type_name))
        return any(row is not None and row.lends for row in map(self._knowledge.type, names))

    def _is_bound(self, type_name: str, rule: Timeout) -> bool:
        """The construction of this type bounds its own calls by the same argument."""
        key = (type_name, rule.argument or rule.config or "")
        known = self._bound_types.get(key)
        if known is None:
            library = self._knowledge.library_of(type_name)
            known = self._bound_types[key] = library is not None and any(
                row.timeout is not None
                and row.timeout.via != "call"
                and (row.timeout.argument, row.timeout.config) == (rule.argument, rule.config)
                and any(name.rpartition(".")[0] == type_name for name in row.names)
                for row in library.call
            )
        return known

    def _sets_timeout(self, receiver: values.Value) -> bool:
        """A subclass of the project that deals with timeouts, or an adapter on the object that does: each call has one."""
        if isinstance(receiver, values.Instance):
            return mentions(receiver.cls, "timeout")
        return isinstance(receiver, values.LibraryObject) and receiver.site is not None and self._patched(receiver.site)

    def _is_project_class(self, site: CallSite) -> bool:
        return bool(self._graph.resolutions[site].classes)

    def _of_subclass(self, cls: ClassInfo, site: CallSite | None, rule: Timeout) -> TimeoutVerdict:
        """A project class that inherits from a client: bounded if it deals with timeouts at all."""
        if mentions(cls, "timeout"):
            return TimeoutVerdict("bounded", None, site, True, "passed", timeout=rule)
        if site is None:
            return UNKNOWN
        return self._at(site, rule, site, at_construction=True)

    def _patched(self, site: CallSite) -> bool:
        """An adapter, transport or partial with a timeout was put on the object after its construction."""
        for neighbour in self.neighbours(site):
            for expr in (*neighbour.fact.args, *(v for _, v in neighbour.fact.kwargs)):
                for value in self._evaluator.evaluate(expr, neighbour.function, neighbour.fact.order):
                    if isinstance(value, values.Instance) and mentions(value.cls, "timeout"):
                        return True
            if any("timeout" in k for k, _ in neighbour.fact.kwargs):
                return True
        if self._opened_with_limit(site):
            return True
        scope = site.function.scope
        for assign in scope.assigns:
            if isinstance(assign.target, f.Attr) and isinstance(assign.value, f.CallRef):
                call = scope.calls[assign.value.index]
                if any(k == "timeout" for k, _ in call.kwargs) and self._same_object(assign.target.value, site):
                    return True
            if (
                isinstance(assign.target, f.Attr)
                and "timeout" in assign.target.name
                and self._same_object(assign.target.value, site)
            ):
                return True
        return False

    def _opened_with_limit(self, site: CallSite) -> bool:
        """`ftp = FTP()`, `ftp.connect(host, timeout=10)`: what opens the connection keeps its limit for the calls after it."""
        for other in site.function.calls:
            func = other.fact.func
            if other is site or not isinstance(func, f.Attr):
                continue
            rows = (
                row
                for library in self._graph.resolutions[other].libraries
                for row in self._knowledge.calls(library.name)
            )
            for limit in (row.timeout for row in rows if row.timeout is not None and row.timeout.keeps):
                given = self._given(other, limit, constructor=False)
                if given is not None and given.bound == "bounded" and self._same_object(func.value, site):
                    return True
        return False

    def _same_object(self, expr: f.Expr, site: CallSite) -> bool:
        return any(
            isinstance(v, values.LibraryObject | values.Instance) and v.site is site
            for v in self._evaluator.evaluate(expr, site.function)
        )

    def neighbours(self, site: CallSite) -> tuple[CallSite, ...]:
        """Configuring calls on the object that `site` constructs, in the same function: `session.mount(…)`, `x.set_timeout(…)`."""
        known = self._neighbours.get(site)
        if known is None:
            found = []
            for other in site.function.calls:
                func = other.fact.func
                if (
                    other is not site
                    and isinstance(func, f.Attr)
                    and func.name in {"mount", "configure", "config", "update", "set_timeout", "settimeout"}
                ) and self._same_object(func.value, site):
                    found.append(other)
            known = self._neighbours[site] = tuple(found)
        return known

    # --- retries ------------------------------------------------------------------------------------------------------

    def retry(self, effect: EffectAt) -> RetryVerdict:
        """What the client repeats by itself for this call: by default, by its construction, by what is mounted on it."""
        rule = effect.row.retry
        configured = self._configured(effect, rule)
        if configured is not None:
            return self._of_method(effect, configured)
        if self._may_be_retried_elsewhere(effect) or self._is_replaced(effect):
            return RetryVerdict(None)
        if rule is None:
            return RetryVerdict(1)
        return RetryVerdict(rule.attempts, None, rule.writes, rule.key, rule.on, rule.backoff)

    def _of_method(self, effect: EffectAt, verdict: RetryVerdict) -> RetryVerdict:
        """A policy that names no methods repeats of a `post` only the connection that was never made."""
        place = verdict.site
        if place is None or not verdict.repeats or verdict.on or effect.name.rpartition(".")[2] not in _SENDS:
            return verdict
        given = (*place.fact.args, *(value for _, value in place.fact.kwargs))
        for site in (place, *(made for expr in given for made in self._made_in(expr, place))):
            for library in self._graph.resolutions[site].libraries:
                rows = [row for row in self._knowledge.guards(library.name) if row.methods]
                named = any(keyword in row.methods for row in rows for keyword, _ in site.fact.kwargs)
                if rows and not named and not has_spread(site.fact):
                    return replace(verdict, on=("connect",))
        return verdict

    def _may_be_retried_elsewhere(self, effect: EffectAt) -> bool:
        """The client is known by its annotation only, and the project builds such clients with retries somewhere."""
        types = {r.type for r in self.receivers(effect) if isinstance(r, values.LibraryObject) and r.site is None}
        return any(self._somewhere_retried(name) for name in sorted(types))

    def _somewhere_retried(self, name: str) -> bool:
        """A subclass that deals with retries, an adapter or transport of the same library with some."""
        known = self._retried_types.get(name)
        if known is None:
            known = name.split(".", 1)[0] in self._built_with_retries() or any(
                name in cls.library_bases and mentions(cls, "retr") for cls in self._symbols.classes
            )
            self._retried_types[name] = known
        return known

    def _built_with_retries(self) -> frozenset[str]:
        """The libraries of which the project builds an adapter or transport with retries."""
        if self._retried_roots is None:
            self._retried_roots = frozenset(
                library.name.split(".", 1)[0]
                for site, resolution in self._graph.resolutions.items()
                if any("retr" in k and not isinstance(v, f.Const) for k, v in site.fact.kwargs)
                for library in resolution.libraries
                for row in self._knowledge.guards(library.name)
                if row.kind == "retry" and "object" in row.form
            )
        return self._retried_roots

    def _configured(self, effect: EffectAt, rule: Retry | None) -> RetryVerdict | None:
        places = [effect.site]
        for receiver in self.receivers(effect):
            if isinstance(receiver, values.LibraryObject | values.Instance) and receiver.site is not None:
                places.append(receiver.site)
                places.extend(self.neighbours(receiver.site))
            if isinstance(receiver, values.Instance) and mentions(receiver.cls, "retr"):
                return RetryVerdict(None, receiver.site, writes=False)
        for place in places:
            found = self._retry_at(place, rule, 0)
            if found is not None:
                return found
        return None

    def _retry_at(self, site: CallSite, rule: Retry | None, depth: int) -> RetryVerdict | None:
        writes, key = (rule.writes, rule.key) if rule is not None else (False, False)
        for keyword, expr in site.fact.kwargs:
            if (rule is not None and keyword in {rule.argument, rule.config}) or "retr" in keyword.lower():
                literal = self._evaluator.evaluate(expr, site.function, site.fact.order)
                if len(literal) == 1 and isinstance(literal[0], values.Literal):
                    number = literal[0].value
                    if number in (0, None, False):
                        return RetryVerdict(1, site)
                    attempts = int(number) + 1 if isinstance(number, int | float) else None
                    return RetryVerdict(attempts, site, writes, key, self._repeated_by_number(site, rule))
                return RetryVerdict(None, site, writes, key)
        if depth < 3:
            for expr in (*site.fact.args, *(v for _, v in site.fact.kwargs)):
                for inner in self._made_in(expr, site):
                    if any(
                        row.kind == "retry"
                        for library in self._graph.resolutions[inner].libraries
                        for row in self._knowledge.guards(library.name)
                    ):
                        return RetryVerdict(None, inner, writes, key)
                    found = self._retry_at(inner, rule, depth + 1) if inner is not site else None
                    if found is not None and found.repeats:
                        return found
        return None

    def _repeated_by_number(self, site: CallSite, rule: Retry | None) -> tuple[str, ...]:
        """What a plain number of retries covers: for an adapter its row says so, else as the client by default."""
        for library in self._graph.resolutions[site].libraries:
            for row in self._knowledge.guards(library.name):
                if row.kind == "retry" and "object" in row.form and row.retries_on_absent:
                    return ("connect",) if all("Connect" in name for name in row.retries_on_absent) else ()
        return rule.on if rule is not None else ()

    def _made_in(self, expr: f.Expr, site: CallSite) -> Iterator[CallSite]:
        for part in flow.walk(expr):
            if isinstance(part, f.CallRef):
                yield site.function.calls[part.index]
        for value in self._evaluator.evaluate(expr, site.function, site.fact.order):
            if isinstance(value, values.LibraryObject | values.Instance) and value.site is not None:
                yield value.site

    def construction(self, effect: EffectAt) -> CallSite | None:
        """The call that made the object on which the effect's call is made."""
        for receiver in self.receivers(effect):
            if isinstance(receiver, values.LibraryObject | values.Instance) and receiver.site is not None:
                return receiver.site
        return None
