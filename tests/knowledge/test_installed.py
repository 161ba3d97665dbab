"""Library files against the libraries themselves, as far as they are installed: `pytest -m installed`.

What cannot be imported is skipped. Attributes that exist on instances only, or that `__getattr__` makes, cannot be seen and count as there.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
import warnings
from fnmatch import fnmatch

import pytest

from roadworthy.knowledge.load import LIBRARIES
from roadworthy.knowledge.names import expand, singles
from roadworthy.knowledge.toml_file import read_library

pytestmark = [pytest.mark.installed, pytest.mark.filterwarnings("ignore")]

FILES = sorted(LIBRARIES.glob("*.toml"))

LIBRARIES_READ = {path: read_library(path, path.name)[0] for path in FILES}

ALIASES = {
    single.name: single.same_as
    for one in LIBRARIES_READ.values()
    for class_row in (*one.type, *one.exception)
    for single in singles(class_row)
}
"""Class -> its other paths."""

OTHER_VERSIONS = (
    "asyncio.QueueShutDown", "queue.ShutDown", "PythonFinalizationError", "uuid.uuid[678]",  # newer Pythons
    "newrelic.agent.record_exception", "newrelic.agent.add_custom_parameter",
    "posthog*.identify", "posthog*.page", "posthog*.screen",
    "qdrant_client.*Client.upload_records", "qdrant_client.*Client.search_*", "qdrant_client.*Client.discover",
    "langfuse.*generation", "langfuse.*update_*trace",
    "sentry_sdk.metrics.*", "weasyprint.HTML.write_png", "retry.retry_call",
    "structlog.stdlib.BoundLogger.*",  # the filtering logger has a few more than the standard library's
    "weaviate.collections.batch.Batch.*",  # a name of ours for several classes
    "contextlib.ExitStack.push_async_callback",  # of the asynchronous one only
)  # fmt: skip
"""Names that older or newer versions than the installed one have."""


class UnknownError(Exception):
    """Cannot be told from here."""


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def library(request):
    return LIBRARIES_READ[request.param]


def thing(name):
    """The object that a dotted name stands for, by any path that its file gives."""
    if any(fnmatch(name, pattern) for pattern in OTHER_VERSIONS):
        raise UnknownError(name)
    try:
        return thing_at(name)
    except AttributeError:
        for alias in paths(name):
            with contextlib.suppress(AttributeError):
                return thing_at(alias)
        raise


def paths(name):
    """The same name with the class's other paths."""
    owner, _, rest = name, "", ""
    while owner:
        for alias in ALIASES.get(owner, ()):
            yield alias + rest
        owner, dot, attr = owner.rpartition(".")
        rest = f"{dot}{attr}{rest}"


def thing_at(name):
    """The object that a dotted name stands for. Unknown when no module of it can be imported, AttributeError when it is not there."""
    parts = name.split(".")
    module, rest = imported(parts)
    found = module
    for number, part in enumerate(rest):
        owner = found
        found = inspect.getattr_static(owner, part, None) if inspect.isclass(owner) else getattr(owner, part, None)
        if found is None:
            if seen_only_on_instances(owner, part) or not (inspect.ismodule(owner) or inspect.isclass(owner)):
                raise UnknownError(name)
            raise AttributeError(f"{'.'.join(parts[: len(parts) - len(rest) + number])} has no {part}")
        if isinstance(found, staticmethod | classmethod):
            found = found.__func__
        opaque = isinstance(found, property) or not (
            inspect.ismodule(found) or inspect.isclass(found) or callable(found)
        )
        if opaque and number < len(rest) - 1:
            raise UnknownError(name)
    return found


def imported(parts):
    if len(parts) == 1:
        return importlib.import_module("builtins"), parts
    for length in range(len(parts) - 1, 0, -1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return importlib.import_module(".".join(parts[:length])), parts[length:]
        except ModuleNotFoundError as error:
            if error.name and not ".".join(parts).startswith(error.name):
                raise UnknownError(f"{error.name} is not installed") from None
        except Exception as error:
            raise UnknownError(f"{'.'.join(parts[:length])}: {error!r}") from None
    raise UnknownError(f"{parts[0]} is not installed")


def seen_only_on_instances(owner, part):
    if not inspect.isclass(owner):
        return hasattr(owner, "__getattr__")
    if part in {name for cls in owner.__mro__ for name in getattr(cls, "__annotations__", {})}:
        return True
    if any("__getattr__" in vars(cls) or "__getattribute__" in vars(cls) for cls in owner.__mro__[:-1]):
        return True
    for cls in owner.__mro__[:-1]:
        try:
            if re.search(rf"self\.{part}\b\s*(:[^=]+)?=|setattr\(|\b{part}\b", inspect.getsource(cls)):
                return True
        except (OSError, TypeError):
            return True
    return False


def test_names_exist(library):
    missing = []
    for table in ("call", "guard", "entry", "spawner", "schema"):
        for row in getattr(library, table):
            if getattr(row, "version", ""):
                continue
            for name in (name for pattern in row.names for name in expand(pattern) if not name.endswith("*")):
                try:
                    thing(name)
                except AttributeError as error:
                    missing.append(f"{table} {name}: {error}")
                except UnknownError:
                    continue
    assert not missing, "\n".join(missing)


def parameters(found):
    if inspect.isclass(found):
        found = found.__init__ if found.__init__ is not object.__init__ else found.__new__
    try:
        return inspect.signature(inspect.unwrap(found) if callable(found) else found).parameters
    except (TypeError, ValueError):
        raise UnknownError(found) from None


def test_timeout_arguments_exist(library):
    """`absent = "forever"` is a claim that costs the reader time: the parameter must be there."""
    wrong = []
    for row in library.call:
        timeout = row.timeout
        if timeout is None or timeout.argument is None or row.version or timeout.config:
            continue
        for name in (name for pattern in row.names for name in expand(pattern)):
            owner = name if timeout.via == "call" else name.rpartition(".")[0]
            places = [name, name.rpartition(".")[0]] if timeout.via == "either" else [owner]
            if not any(has_parameter(place, timeout.argument) for place in places):
                wrong.append(f"{name}: no parameter {timeout.argument}")
    assert not wrong, "\n".join(wrong)


def has_parameter(name, argument):
    try:
        found = parameters(thing(name))
    except (UnknownError, AttributeError):
        return True
    return argument in found or any(parameter.kind is parameter.VAR_KEYWORD for parameter in found.values())


def test_timeout_defaults_are_numbers_that_the_signature_shows(library):
    """Where the signature shows a number as default, the file says the same number."""
    wrong = []
    for row in library.call:
        timeout = row.timeout
        if timeout is None or timeout.argument is None or timeout.via != "call" or row.version or timeout.config:
            continue
        for name in (name for pattern in row.names for name in expand(pattern)):
            try:
                default = parameters(thing(name))[timeout.argument].default
            except (UnknownError, AttributeError, KeyError):
                continue
            if isinstance(default, int | float) and not isinstance(default, bool) and timeout.absent is not None:
                seconds = default / 1000 if timeout.unit == "ms" else default
                if seconds >= 0 and timeout.absent != seconds:
                    wrong.append(f"{name}: the signature says {seconds}, the file {timeout.absent}")
    assert not wrong, "\n".join(wrong)


def test_awaitable_calls_are_coroutines(library):
    wrong = []
    for row in library.call:
        if row.version:
            continue
        for name in (name for pattern in row.names for name in expand(pattern)):
            try:
                found = thing(name)
            except (UnknownError, AttributeError):
                continue
            if not row.awaitable and inspect.iscoroutinefunction(found):
                wrong.append(f"{name} is a coroutine function")
    assert not wrong, "\n".join(wrong)


def test_exceptions_have_these_bases(library):
    wrong = []
    for row in (single for group in library.exception for single in singles(group)):
        try:
            found = thing(row.name)
        except UnknownError:
            continue
        except AttributeError as error:
            wrong.append(f"{row.name}: {error}")
            continue
        if not (inspect.isclass(found) and issubclass(found, BaseException)):
            wrong.append(f"{row.name} is no exception")
            continue
        for base in row.bases:
            try:
                if not issubclass(found, thing(base)):
                    wrong.append(f"{row.name} is no {base}")
            except UnknownError:
                continue
        for alias in row.same_as:
            try:
                if thing(alias) is not found:
                    wrong.append(f"{alias} is not {row.name}")
            except (UnknownError, AttributeError):
                continue
    assert not wrong, "\n".join(wrong)
