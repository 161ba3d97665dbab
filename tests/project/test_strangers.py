"""Calls of libraries that nobody has described."""

from __future__ import annotations

from roadworthy.engine import model_of
from roadworthy.knowledge.vocabulary import Effect

_SOURCE = """
import json

import acme
from acme.aio import AsyncClient
from acme.signals import sent
from app.own import OwnClient
from numpy import asarray


class Holder:
    def __init__(self, client: AsyncClient):
        self.client = client
        self.api = acme.connect("https://api.example")

    async def ask(self, item):
        return await self.client.fetch(item)

    async def stop(self):
        await self.client.aclose()

    def send(self, item):
        self.api.channel("a").post_message(item)


def through_factory(item):
    return made().add_contributor(item)


def made():
    return acme.get_client()


def quiet(item):
    acme.Client.create(item)
    acme.Client(item).add_handler(print)
    OwnClient().send(item)
    json.loads(item).send(item)
    sent.send(item)
    asarray(item).dot(item)
"""
_OWN = """
class OwnClient:
    def send(self, item): ...
"""


def _asked() -> dict[str, set[str]]:
    model = model_of({"app/work.py": _SOURCE, "app/own.py": _OWN})
    found: dict[str, set[str]] = {}
    for effect in model.effects_of(Effect.OUTSIDE):
        found.setdefault(effect.function.qualname, set()).add(effect.name)
    return found


def test_names_and_the_await_tell_that_something_outside_is_asked() -> None:
    """An awaited call, a client by its name, a verb that sends: through attributes, factories and chains."""
    found = _asked()
    assert found["Holder.ask"] == {"acme.aio.AsyncClient.fetch"}
    assert "acme.connect.channel.post_message" in found["Holder.send"]
    assert found["through_factory"] == {"acme.get_client.add_contributor"}


def test_what_prepares_closes_or_is_known_asks_nobody() -> None:
    """Nor do the project's own classes, the language's, signals inside the process, or libraries that a file describes."""
    found = _asked()
    assert "quiet" not in found
    assert "Holder.stop" not in found


def test_a_client_of_an_unknown_library_is_not_one_that_we_know() -> None:
    """`acme.Client` ends in the name of a class that registers entry points elsewhere; half of all libraries have one."""
    model = model_of({"app/work.py": "import acme\n\ndef ask():\n    acme.Client(1).run('token')\n"})
    ask = next(function for function in model.functions if function.name == "ask")
    names = [name for site in ask.calls for name in model.library_names(site)]
    assert names == ["acme.Client"]


def test_who_is_given_a_default_does_not_fail() -> None:
    """`client.get_boolean_value("flag", default_value=False)`: the default is what it gives when nobody answers."""
    model = model_of(
        {
            "app/work.py": "import acme\n\nflags = acme.FlagClient(1)\n\ndef ask():\n    flags.fetch_value('new', default_value=False)\n    flags.fetch_value('new')\n"
        }
    )
    assert [effect.site.line for effect in model.effects_of(Effect.OUTSIDE)] == [7]
