"""Questions to the index."""

from __future__ import annotations

import textwrap

import pytest

from roadworthy.knowledge.load import load_knowledge
from roadworthy.text.places import CACHE_VARIABLE

OURS = """\
library = "ours"
modules = ["ours", "ours.deep"]
distributions = ["ours-client"]
checked = 2026-01-01

[[type]]
name = "ours.Client"
same_as = ["ours.client.Client"]
from = ["ours.connect()", "ours.default", "with ours.session()", "iter ours.pool()", "ours.make('special')"]

[[type]]
name = "ours.AsyncClient"
bases = ["ours.client.Client"]

[[type]]
name = "ours.Special"
from = ["ours.make('x')"]
bases = ["ours.AsyncClient"]

[[call]]
names = ["ours.Client.{get,send}"]
effects = ["http-request"]
returns = "ours.Answer"

[[call]]
names = ["ours.AsyncClient.get"]
effects = ["rpc"]
version = "<2"

[[call]]
names = ["ours.AsyncClient.get"]
effects = ["email"]
version = ">=2"

[[call]]
names = ["ours.Client.chat.completions.create"]
effects = ["llm"]

[[call]]
names = ["ours.stub.*"]
effects = ["rpc"]

[[call]]
names = ["ours.stub.close"]
effects = ["close"]

[[call]]
names = ["ours.Client.bind"]
returns = "self"

[[exception]]
name = "ours.Error"
bases = ["OSError"]
same_as = ["ours.errors.Error"]

[[exception]]
name = "ours.Timeout"
bases = ["ours.errors.Error", "TimeoutError"]

[[exception]]
name = "ours.Loose"
bases = ["theirs.Error"]
"""


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    path = folder / "ours.toml"
    path.write_text(textwrap.dedent(OURS), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder / "cache"))
        yield load_knowledge((path,))


def effects(knowledge, name):
    return [row.effects for row in knowledge.calls(name)]


def test_rows_are_found_by_every_path(knowledge):
    assert effects(knowledge, "ours.Client.get") == [("http-request",)]
    assert effects(knowledge, "ours.client.Client.get") == [("http-request",)]
    assert effects(knowledge, "ours.nothing") == []
    assert effects(knowledge, "builtins.open") == effects(knowledge, "open") != []


def test_all_versions_are_kept(knowledge):
    assert [(row.version, row.effects) for row in knowledge.calls("ours.AsyncClient.get")] == [
        ("<2", ("rpc",)),
        (">=2", ("email",)),
    ]


def test_rows_are_inherited(knowledge):
    assert effects(knowledge, "ours.Special.send") == [("http-request",)]
    assert effects(knowledge, "ours.Special.get") == [("rpc",), ("email",)]


def test_an_object_stands_for_its_type(knowledge):
    assert knowledge.canonical("ours.default") == "ours.Client"
    assert effects(knowledge, "ours.default.send") == [("http-request",)]
    assert effects(knowledge, "loguru.logger.exception") == [("log",)]
    assert effects(knowledge, "pathlib.Path.parent.parent.write_text") == [("file-write",)]


def test_an_exact_name_wins_over_a_star(knowledge):
    assert effects(knowledge, "ours.stub.GetUser") == [("rpc",)]
    assert effects(knowledge, "ours.stub.close") == [("close",)]
    assert effects(knowledge, "ours.stub") == []


def test_a_member_is_found_in_the_nearest_class(knowledge):
    assert knowledge.member("ours.Special", "get") == "ours.AsyncClient.get"
    assert knowledge.member("ours.Special", "send") == "ours.Client.send"
    assert knowledge.member("ours.Special", "unknown") == "ours.Special.unknown"
    assert knowledge.member("ours.stub", "GetUser") == "ours.stub.GetUser"


def test_a_chain_is_followed_step_by_step(knowledge):
    assert knowledge.member("ours.Special", "chat") == "ours.Client.chat"
    assert knowledge.member("ours.Client.chat", "completions") == "ours.Client.chat.completions"
    assert knowledge.member("ours.Special", "chat.completions.create") == "ours.Client.chat.completions.create"


def test_types_of_values(knowledge):
    assert knowledge.type_from_call("ours.connect") == "ours.Client"
    assert knowledge.type_from_call("ours.client.Client") == "ours.Client"
    assert knowledge.type_from_call("ours.Client.get") == "ours.Answer"
    assert knowledge.type_from_call("ours.Client.bind") == "ours.Client"
    assert knowledge.type_from_call("ours.make") is None
    assert knowledge.type_from_call("ours.make", "x") == "ours.Special"
    assert knowledge.type_from_call("ours.make", "special") == "ours.Client"
    assert knowledge.type_from_attribute("ours.default") == "ours.Client"
    assert knowledge.type_from_with("ours.session") == "ours.Client"
    assert knowledge.type_from_with("ours.AsyncClient") == "ours.AsyncClient"
    assert knowledge.type_from_with("ours.nothing") is None
    assert knowledge.type_from_iter("ours.pool") == "ours.Client"


def test_classes(knowledge):
    assert knowledge.type("ours.client.Client").name == "ours.Client"
    assert knowledge.type("ours.Nothing") is None
    assert knowledge.type_bases("ours.Special") == ("ours.AsyncClient", "ours.Client")


def test_exceptions(knowledge):
    assert knowledge.exception("ours.errors.Error").name == "ours.Error"
    assert knowledge.exception("ours.Nothing") is None
    assert knowledge.exception_bases("ours.Timeout") == (
        "ours.Error",
        "TimeoutError",
        "OSError",
        "Exception",
        "BaseException",
    )
    assert knowledge.is_subclass("ours.Timeout", "ours.errors.Error") is True
    assert knowledge.is_subclass("ours.Timeout", "builtins.OSError") is True
    assert knowledge.is_subclass("ours.Timeout", "IOError") is True
    assert knowledge.is_subclass("ours.Timeout", "ValueError") is False
    assert knowledge.is_subclass("ours.Error", "ours.Timeout") is False
    assert knowledge.is_subclass("ours.Loose", "ValueError") is None
    assert knowledge.is_subclass("theirs.Error", "Exception") is None
    assert knowledge.is_subclass("theirs.Error", "theirs.Error") is True


def test_libraries(knowledge):
    assert knowledge.library("ours-client").library == "ours"
    assert knowledge.library("ours").checked.year == 2026
    assert knowledge.library("nobody") is None
    assert knowledge.library_of("ours.deep.x.y").library == "ours"
    assert knowledge.library_of("nobody.x") is None


@pytest.mark.parametrize(
    ("name", "base", "answer"),
    [
        ("requests.ReadTimeout", "requests.exceptions.RequestException", True),
        ("requests.ReadTimeout", "ConnectionError", False),
        ("httpx.ConnectTimeout", "httpx.HTTPError", True),
        ("httpx.HTTPStatusError", "httpx.TransportError", False),
        ("aiohttp.ServerTimeoutError", "asyncio.TimeoutError", True),
        ("asyncio.CancelledError", "Exception", False),
        ("json.JSONDecodeError", "ValueError", True),
        ("UnicodeDecodeError", "ValueError", True),
        ("socket.timeout", "OSError", True),
        ("openai.APITimeoutError", "openai.APIConnectionError", True),
        ("litellm.Timeout", "openai.APIError", True),
        ("tenacity.RetryError", "OSError", False),
    ],
)
def test_hierarchies_that_handlers_hang_on(knowledge, name, base, answer):
    assert knowledge.is_subclass(name, base) is answer


@pytest.mark.parametrize(
    ("call", "attr", "effect"),
    [
        ("requests.Session", "post", "http-request"),
        ("requests.session", "get", "http-request"),
        ("logging.getLogger", "exception", "log"),
        ("structlog.get_logger", "warning", "log"),
        ("sqlite3.connect", "execute", "sql"),
        ("open", "write", "file-write"),
        ("gzip.open", "write", "file-write"),
        ("openai.AsyncAzureOpenAI", "chat.completions.create", "llm"),
        ("tempfile.NamedTemporaryFile", "flush", "file-flush"),
        ("concurrent.futures.ThreadPoolExecutor", "shutdown", "close"),
        ("requests_toolbelt.sessions.BaseUrlSession", "delete", "http-request"),
    ],
)
def test_methods_of_what_calls_return(knowledge, call, attr, effect):
    name = knowledge.member(knowledge.type_from_call(call), attr)
    assert effect in {word for row in knowledge.calls(name) for word in row.effects}
