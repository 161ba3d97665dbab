"""Objects whose methods a framework calls by name, and functions that a document names, are entries."""

from __future__ import annotations

import pytest

from roadworthy.engine import model_of

_RPC = {
    "shop/orders.py": "class Orders:\n    def create(self, context): ...\n    def _check(self): ...\n",
    "shop/rpc.py": (
        "import oslo_messaging as messaging\n\n"
        "def get_server(target, endpoints):\n    return messaging.get_rpc_server(None, target, endpoints, executor='threading')\n"
    ),
    "shop/main.py": (
        "from shop import rpc\nfrom shop.orders import Orders\n\ndef main():\n"
        "    endpoints = [Orders()]\n    rpc.get_server(None, endpoints).start()\n"
    ),
}
_ROUTES = """
import routes

class Resource:
    def __init__(self, controller): ...

class Controller:
    def create_resource(self):
        return Resource(self)

class Orders(Controller):
    def index(self, req): ...
    def helper(self): ...

class Bills:
    def show(self, req): ...

def build():
    mapper = routes.Mapper()
    orders = Orders().create_resource()
    mapper.connect("/orders", controller=orders, action="index")
    mapper.resource("bill", "bills", controller=Resource(Bills()))
"""


def _entries(files: dict[str, str]) -> list[tuple[str, str, str]]:
    found = model_of(files).entries.all
    return sorted((e.kind.value, e.function.qualname, e.delivery.value) for e in found)


def test_endpoints_come_through_a_helper_of_the_project() -> None:
    """A request is acknowledged before it runs: nobody sends it again."""
    assert _entries(_RPC) == [("http-handler", "Orders.create", "at-most-once")]


def test_a_class_that_says_that_it_is_an_endpoint() -> None:
    """Its children are endpoints too; a target that a method makes is where a client sends to."""
    text = """
        import oslo_messaging

        class Base:
            target = oslo_messaging.Target(version="1.0")

        class Manager(Base):
            def resize(self, context): ...

            @property
            def size(self): ...

        class Client:
            def __init__(self):
                self.target = oslo_messaging.Target(topic="orders")

            def resize(self, context): ...
    """
    assert [name for _, name, _ in _entries({"app.py": _dedent(text)})] == ["Manager.resize"]


def test_the_public_methods_of_a_manager_that_take_a_context() -> None:
    text = """
        from oslo_service import periodic_task

        class Manager(periodic_task.PeriodicTasks):
            def create(self, context, name): ...

            def size(self): ...

            @periodic_task.periodic_task(spacing=60)
            def sweep(self, context): ...
    """
    found = _entries({"app.py": _dedent(text)})
    assert ("http-handler", "Manager.create", "at-most-once") in found
    assert ("scheduled", "Manager.sweep", "rerun") in found
    assert not any(name == "Manager.size" for _, name, _ in found)


def test_a_notification_is_acknowledged_after_its_endpoints() -> None:
    text = """
        import oslo_messaging

        class Endpoint:
            def sample(self, notifications): ...

            def helper(self): ...

        def listen(transport, targets):
            return oslo_messaging.get_batch_notification_listener(transport, targets, [Endpoint()], allow_requeue=True)
    """
    model = model_of({"app.py": _dedent(text)})
    assert [(e.kind.value, e.function.name, e.acks, e.retried) for e in model.entries.all] == [
        ("queue-consumer", "sample", "after", True)
    ]


def test_routes_name_the_method_of_the_controller_behind_a_wrapper() -> None:
    assert [name for _, name, _ in _entries({"app.py": _ROUTES})] == ["Bills.show", "Orders.index"]


def test_exposed_controllers() -> None:
    """Also through a decorator of the project, and as one method of a generic controller."""
    text = """
        import pecan
        from pecan import rest
        import wsmeext.pecan as wsme_pecan

        def expose(*args, **kwargs):
            return wsme_pecan.wsexpose(*args, **kwargs)

        class Orders(rest.RestController):
            @expose(str)
            def get_one(self, ident): ...

            @pecan.expose(generic=True)
            def index(self): ...

            @index.when(method="POST")
            def on_post(self): ...

            def helper(self): ...
    """
    assert [name for _, name, _ in _entries({"app.py": _dedent(text)})] == [
        "Orders.get_one", "Orders.index", "Orders.on_post",
    ]  # fmt: skip


_SPEC = """\
openapi: 3.0.0
paths:
  /orders:
    get:
      operationId: shop.orders.Orders.get
    post:
      x-openapi-router-controller: shop.orders
      operationId: create
  /bills/{id}:
    get:
      operationId: getBill
"""
_HANDLERS = """
class Request:
    @classmethod
    def get(cls):
        return cls.answer(cls.handle_get)

    @classmethod
    def answer(cls, handler):
        return handler()

    @classmethod
    def handle_get(cls):
        raise NotImplementedError

class Orders(Request):
    @classmethod
    def handle_get(cls): ...

async def create(body): ...

def getBill(id): ...
"""


@pytest.mark.parametrize("document", ["openapi.yaml", "shop/spec/v1.yml"])
def test_operations_of_an_openapi_document(document: str) -> None:
    """A base that leaves the work to its children is answered by the class that was named; a bare name is no path."""
    model = model_of({document: _SPEC, "shop/orders.py": _HANDLERS})
    assert sorted((e.label, e.function.qualname, e.on_loop) for e in model.entries.all) == [
        ("GET /orders", "Orders.handle_get", False),
        ("GET /orders", "Request.get", False),
        ("POST /orders", "create", True),
    ]


def _dedent(text: str) -> str:
    import textwrap

    return textwrap.dedent(text)
