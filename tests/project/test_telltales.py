"""Objects whose making is not seen, told by their methods or by what they are usually called."""

from __future__ import annotations

from roadworthy.engine.memory import model_of
from roadworthy.knowledge.vocabulary import Effect, EntryKind


def _effects(text: str, **others: str) -> list[tuple[int, Effect]]:
    model = model_of({"app/jobs.py": text, **{f"app/{name}.py": other for name, other in others.items()}})
    return sorted(((at.site.fact.line, at.effect) for at in model.effects_of() if at.effect.word.external), key=str)


def test_a_method_that_nothing_else_has_tells() -> None:
    """`put_item` is DynamoDB's, where the project imports boto3."""
    text = "import boto3\n\ndef store(table, row):\n    table.put_item(Item=row)\n"
    assert _effects(text) == [(4, Effect.SQL_UPSERT)]


def test_a_library_that_nobody_imports_is_not_thought_of() -> None:
    """The same method of another library."""
    assert _effects("def store(table, row):\n    table.put_item(Item=row)\n") == []


def test_a_method_of_the_projects_own_tells_nothing() -> None:
    """The receiver may be of that class."""
    own = "class Menu:\n    def put_item(self, row): ...\n"
    assert _effects("import boto3\n\ndef store(table, row):\n    table.put_item(row)\n", menu=own) == []


def test_the_usual_name_tells_with_a_method_of_the_type() -> None:
    """A session that comes out of a package of the house."""
    text = "import sqlalchemy\nfrom house.db import make\n\ndef store(row):\n    with make() as session:\n        session.commit()\n"
    assert [effect for _, effect in _effects(text)] == [Effect.COMMIT]


def test_what_anybody_has_needs_a_neighbour() -> None:
    """`session.get()` may be a request, `session.add()` a set's; beside `scalars()` it is a database's."""
    lone = "import sqlalchemy\nfrom house.db import make\n\ndef load(key):\n    session = make()\n    return session.get(key)\n"
    assert _effects(lone) == []
    beside = lone.replace("return session.get(key)", "session.add(key)\n    return session.scalars(key)")
    assert Effect.SQL_INSERT in {effect for _, effect in _effects(beside)}


def test_an_awaited_call_is_of_the_asynchronous_type() -> None:
    """`await redis.hset(…)` is not the client that blocks."""
    text = "import redis\n\nasync def note(client, key):\n    await client.hset(key, 'a', 1)\n"
    model = model_of({"app/jobs.py": text})
    assert [at.name for at in model.effects_of() if at.effect.word.external] == ["redis.asyncio.Redis.hset"]


def test_a_manager_of_a_foreign_model_is_a_manager() -> None:
    """`Token.objects.filter(…).update(…)` of a package that no library file speaks of."""
    text = "import django\nfrom oauth.models import Token\n\ndef sweep():\n    Token.objects.filter(old=True).update(gone=True)\n"
    assert (5, Effect.SQL_UPDATE) in _effects(text)


def test_the_handler_class_of_a_house_package_serves() -> None:
    """It derives from the framework's, as its name and its methods say; where the framework is not imported, nothing says so."""
    text = "import tornado\nfrom house.web import BaseHandler\n\nclass Orders(BaseHandler):\n    def post(self): ...\n    def sort(self): ...\n"
    kinds = {(e.function.name, e.kind) for e in model_of({"app/orders.py": text}).entries.all}
    assert kinds == {("post", EntryKind.HTTP_HANDLER)}
    assert not model_of({"app/orders.py": text.replace("import tornado\n", "")}).entries.all
