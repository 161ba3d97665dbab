"""What names and constants of a program say to its readers: this logs, this reports, this means "failed".

The last resort where a value cannot be followed. Whole words only: `login` is no log and `discount` no count.
"""

from __future__ import annotations

import re

from roadworthy.facts import schema as f
from roadworthy.project import flow

_QUESTIONS = frozenset({"input", "prompt", "confirm", "getpass", "ask"})
LOG_METHODS = frozenset({
    "exception", "error", "warning", "warn", "info", "critical", "fatal", "debug", "log", "notice", "success", "trace",
    "aexception", "aerror", "awarning", "ainfo", "adebug", "acritical",
})  # fmt: skip
LOUD_METHODS = frozenset(
    {"exception", "error", "warning", "warn", "critical", "fatal", "aexception", "aerror", "awarning", "acritical"}
)
_LOUDNESS = (
    "", "trace", "debug", "adebug", "info", "ainfo", "notice", "success", "log", "warn", "warning", "awarning", "error", "aerror",
    "exception", "aexception", "critical", "acritical", "fatal",
)  # fmt: skip
_RANK = {name: index for index, name in enumerate(_LOUDNESS)}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_REPORTS_ANYWHERE = re.compile(
    r"(log|logs|logger|logging|exc|report\w*|captur\w*|alert\w*|warn\w*|sentry|error|errors|err|exception\w*|fail|fails|failed|failure|failures"
    r"|abort\w*|print|pprint|echo|secho|excepthook|traceback|stderr|notif\w*|audit|complain)"
)
_REPORTS_FIRST = re.compile(
    r"(record|track|count|incr\w*|inc|emit|message|trace|dump|flash|mark|on|handle|increment|observe)"
)
_REPORT_OWNERS = re.compile(
    r"(stderr|stdout|console|messages|metrics?|statsd|sentry|reporter|telemetry|counter|errors)"
)
_FALLBACK = re.compile(
    r"(fallback\w*|fall|backup|legacy|alternative\w*|recover\w*|retry|reconnect|restart|reset|cached|stale|default)"
)
_FAILED = re.compile(
    r"(error|errors|err|fail|fails|failed|failure|bad|invalid|unavailable|abort\w*|problem|forbidden|unauthorized|denied|unhealthy|down"
    r"|unknown|unable|exception|reject\w*|broken|degraded|offline|not|cannot|could|sorry|timeout|timed|oops|wrong|redirect)"
)
_ASKS = re.compile(
    r"(is|has|can|could|should|check\w*|ping|probe|test|valid\w*|verif\w*|exists?|supports?|detect\w*|try|wait|needs|looks|are|was)"
)
_STATE = re.compile(r"(health\w*|alive|ready|readiness|liveness|reachable|connected|exists|ping)")
_CLOSES = re.compile(
    r"(close\w*|stop\w*|shut\w*|clean\w*|exit|aexit|disconnect\w*|teardown|tear|dispose\w*|terminate\w*|kill\w*|cancel\w*|release\w*|free"
    r"|destroy\w*|finali[sz]e\w*|abort\w*|logout|quit|detach|unsubscribe|drop|del|purge|prune)"
)
_FAILING_KEYWORDS = frozenset({"error", "errors", "error_message", "err", "reason", "exception", "detail"})
_STATUS_KEYWORDS = frozenset({"status", "status_code", "code", "http_status", "returncode", "exit_code"})


def words_of(name: str) -> list[str]:
    """`handleHTTPError`, `log_failure` -> lower-case words."""
    return [word.lower() for word in _WORD.findall(name)]


def louder(first: str, second: str) -> str:
    """The louder of two log methods."""
    return max(first, second, key=lambda level: _RANK.get(level, 9))


def is_log_owner(text: str) -> bool:
    """Is this the text of a logger: `log`, `self.logger`, `app.logger`, `structlog.get_logger()`?"""
    owner = text.rpartition(".")[2].lower().removesuffix("(…)").removesuffix("()")
    return owner.endswith(("log", "logger", "logging", "structlog")) or "logger" in owner


def sounds_like_report(func: f.Expr, scope: f.Scope) -> bool:
    """Does the name of a callee say that somebody is told: `capture_exception`, `messages.error`, `stderr.write`?"""
    owner, _, name = flow.text_of(func, scope).rpartition(".")
    words = words_of(name)
    if any(_REPORTS_ANYWHERE.fullmatch(word) for word in words):
        return True
    if words and _REPORTS_FIRST.fullmatch(words[0]):
        return True
    return any(_REPORT_OWNERS.fullmatch(word) for word in words_of(owner))


def sounds_like_fallback(func: f.Expr, scope: f.Scope) -> bool:
    """Does the name of a callee say that it stands in for what failed?"""
    words = words_of(flow.text_of(func, scope).rpartition(".")[2])
    return any(_FALLBACK.fullmatch(word) for word in words)


def says_probe(name: str) -> bool:
    """Does a function ask whether something is so: `is_alive`, `check_connection`, `_ping`?"""
    words = words_of(name)
    return bool(words) and (_ASKS.fullmatch(words[0]) is not None or any(_STATE.fullmatch(word) for word in words))


def says_closing(name: str) -> bool:
    """Does a function end the life of something: `close`, `__aexit__`, `_cleanup_session`?"""
    return any(_CLOSES.fullmatch(word) for word in words_of(name))


def says_failed(name: str) -> bool:
    """Does a name or text speak of failure: `STATUS_FAILED`, `HttpResponseBadRequest`, "could not …"?"""
    return any(_FAILED.fullmatch(word) for word in words_of(name))


def answers_failure(value: f.Expr | None, scope: f.Scope) -> bool:
    """Does a returned value tell the caller that it failed: an error response, a status, a message? A constant such as
    None, False, {} or {"error": …} is a default: nobody learns what happened."""
    match value:
        case f.Await(value=inner):
            return answers_failure(inner, scope)
        case f.Str():
            return says_failed(value.value)
        case f.FStr():
            return any(isinstance(p, f.Str) and says_failed(p.value) for p in value.parts)
        case f.Attr():
            return says_failed(value.name)
        case f.Name():
            return says_failed(value.id)
        case f.Seq(kind="tuple"):
            return any(_is_error_code(item) or answers_failure(item, scope) for item in value.items)
        case f.CallRef():
            return _call_answers(scope.calls[value.index], scope)
    return False


def _call_answers(call: f.Call, scope: f.Scope) -> bool:
    if says_failed(flow.text_of(call.func, scope).rpartition(".")[2]):
        return True
    for keyword, value in call.kwargs:
        if keyword in _FAILING_KEYWORDS or (keyword in _STATUS_KEYWORDS and not _is_success(value)):
            return True
        if keyword in {"success", "ok", "healthy"} and isinstance(value, f.Const) and not value.value:
            return True
    return any(_is_error_code(arg) or answers_failure(arg, scope) for arg in call.args)


def is_error_answer(value: f.Expr | None) -> bool:
    """A dictionary that says that it failed and what happened: `{"isError": True, "text": "…"}`, `{"success": False, "error": "…"}`."""
    if not isinstance(value, f.Dict):
        return False
    pairs = {key.value: item for key, item in value.items if isinstance(key, f.Str)}
    says_no = any(
        isinstance(item, f.Const) and item.kind == "bool" and item.value is (key in {"isError", "is_error", "failed"})
        for key, item in pairs.items()
        if key in {"isError", "is_error", "failed", "success", "ok"}
    )
    return says_no and len(pairs) > 1


def _is_error_code(value: f.Expr) -> bool:
    return (
        isinstance(value, f.Const) and value.kind == "int" and isinstance(value.value, int) and 400 <= value.value < 600
    )


def _is_success(value: f.Expr) -> bool:
    return isinstance(value, f.Const) and isinstance(value.value, int) and value.value < 400


def is_question(name: str) -> bool:
    """A library function by which a program asks the person at its terminal: `builtins.input`, `click.prompt`."""
    return name.rpartition(".")[2] in _QUESTIONS
