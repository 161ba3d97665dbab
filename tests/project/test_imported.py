"""What a program loads by a text: classes by dotted path, plug-ins by entry point, defaults of options."""

from __future__ import annotations

import pytest

from roadworthy.engine import model_of

_STORE = "class Store:\n    def save(self): ...\n\ndef get_backend():\n    return Store()\n"


def _called(files: dict[str, str], function: str = "app.run") -> set[str]:
    model = model_of(files)
    return {edge.callee.id for edge in model.edges_from(model.symbols.by_id[function])}


@pytest.mark.parametrize("made", [
    "importutils.import_object('shop.store.Store')", "importutils.import_class('shop.store.Store')()",
    "importutils.import_module('shop.store').Store()", "importutils.import_object(CONF.store_class)",
    "DBAPI.from_config(CONF, backend_mapping={'sql': 'shop.store'})",
])  # fmt: skip
def test_a_dotted_path(made: str) -> None:
    files = {
        "shop/store.py": _STORE,
        "options.py": "from oslo_config import cfg\n\nOPTIONS = [cfg.StrOpt('store-class', default='shop.store.Store')]\n",
        "app.py": "from oslo_config import cfg\nfrom oslo_db.api import DBAPI\nfrom oslo_utils import importutils\n\n"
        f"CONF = cfg.CONF\n\ndef run():\n    store = {made}\n    store.save()\n",
    }
    assert "shop.store.Store.save" in _called(files)


def test_the_default_of_an_option_that_names_nothing_of_the_project_is_not_known() -> None:
    """It is for the operator to change."""
    files = {
        "options.py": "from oslo_config import cfg\n\nOPTIONS = [cfg.StrOpt('mode', default='a.b')]\n",
        "app.py": "from oslo_config import cfg\n\ndef run():\n    return cfg.CONF.mode\n",
    }
    model = model_of(files)
    assert model.evaluator.imported.option("mode") == ()


@pytest.mark.parametrize("declared", [
    {"pyproject.toml": '[project.entry-points."shop.stores"]\nsql = "shop.store:Store"\n'},
    {"setup.cfg": "[entry_points]\nshop.stores =\n    sql = shop.store:Store\n"},
    {"setup.cfg": "[options.entry_points]\nshop.stores =\n    sql = shop.store:Store\n"},
])  # fmt: skip
@pytest.mark.parametrize("used", [
    "DriverManager('shop.stores', name).driver()", "DriverManager('shop.stores', name, invoke_on_load=True).driver",
    "ExtensionManager('shop.stores', invoke_on_load=True)[name].obj", "ExtensionManager(NAMESPACE)[name].plugin()",
])  # fmt: skip
def test_a_plug_in_of_the_project(declared: dict[str, str], used: str) -> None:
    files = {
        "shop/store.py": _STORE,
        "app.py": "from stevedore.driver import DriverManager\nfrom stevedore.extension import ExtensionManager\n\n"
        f"NAMESPACE = 'shop.stores'\n\ndef run(name):\n    store = {used}\n    store.save()\n",
    }
    assert "shop.store.Store.save" in _called({**files, **declared})


def test_a_command_of_setup_cfg() -> None:
    files = {
        "setup.cfg": "[entry_points]\nconsole_scripts =\n    shop = shop.cli:main\n",
        "shop/cli.py": "def main(): ...\n",
    }
    assert [entry.label for entry in model_of(files).entries.all] == ["command shop"]


def test_an_attribute_that_a_hook_hangs_on_the_request() -> None:
    """Known only when it is known with what the hook was made."""
    files = {
        "shop/store.py": _STORE,
        "hooks.py": "class Hook:\n    def __init__(self, store):\n        self.store = store\n\n"
        "    def before(self, state):\n        state.request.store = self.store\n",
        "setup_app.py": "from hooks import Hook\nfrom shop.store import Store\n\ndef make():\n    return Hook(Store())\n",
        "app.py": "import pecan\n\ndef run():\n    pecan.request.store.save()\n",
    }
    assert "shop.store.Store.save" in _called(files)


def test_a_factory_makes_what_its_caller_gives() -> None:
    """However many callers there are."""
    text = "def _get(ref, kind):\n    if not ref:\n        ref = kind()\n    return ref\n\n"
    for number in range(12):
        text += f"class Store{number}:\n    def save(self): ...\n\ndef get{number}():\n    return _get(None, Store{number})\n\n"
    assert _called({"app.py": f"{text}def run():\n    get11().save()\n"}) == {"app.get11", "app.Store11.save"}


def test_a_name_that_a_class_takes_from_its_module() -> None:
    """`db = db.get()` in the body of a class: on the right it is still the module's."""
    files = {
        "shop/__init__.py": "",
        "shop/db.py": "class Store:\n    def save(self): ...\n\ndef get():\n    return Store()\n",
        "app.py": "from shop import db\n\nclass Order:\n    db = db.get()\n\n    def store(self):\n        self.db.save()\n",
    }
    assert "shop.db.Store.save" in _called(files, "app.Order.store")
