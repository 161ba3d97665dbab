"""Folders with `__init__.py` from which a project imports as from the top, because something puts them on the path."""

from __future__ import annotations

from roadworthy.engine.memory import model_of

APPS = {
    "site/__init__.py": "",
    "site/apps/__init__.py": "",
    "site/apps/orders/__init__.py": "",
    "site/apps/orders/models.py": "class Order:\n    def pay(self): ...\n",
    "site/apps/orders/views.py": "from orders.models import Order\n\ndef pay():\n    Order().pay()\n",
    "site/apps/bills/__init__.py": "",
    "site/apps/bills/jobs.py": "from orders.models import Order\n\ndef bill():\n    Order().pay()\n",
    "site/apps/bills/views.py": "from bills import jobs\n\ndef bill():\n    jobs.bill()\n",
}


def _called(files: dict[str, str], function: str) -> set[str]:
    model = model_of(files)
    return {edge.callee.id for edge in model.edges_from(model.symbols.by_id[function])}


def test_a_package_on_the_path_is_imported_from_as_from_the_top() -> None:
    """`from orders.models import Order` finds `site/apps/orders/models.py`, and its functions are called so."""
    assert "orders.models.Order.pay" in _called(APPS, "orders.views.pay")
    assert _called(APPS, "bills.views.bill") == {"bills.jobs.bill"}


def test_a_library_that_is_called_like_a_package_of_the_project_stays_one() -> None:
    """Everybody else names the package in full, or goes through it by dots."""
    files = {
        "site/__init__.py": "",
        "site/graphs/__init__.py": "",
        "site/graphs/error.py": "def wrap(): ...\n",
    }
    for number in range(4):
        files[f"site/graphs/own{number}.py"] = "from graphs.error import wrap\n\ndef use():\n    wrap()\n"
        files[f"site/use{number}.py"] = "from site.graphs.error import wrap\n\ndef use():\n    wrap()\n"
    assert _called(files, "site.graphs.own1.use") == set()
    assert _called(files, "site.use1.use") == {"site.graphs.error.wrap"}


def test_a_few_imports_show_nothing() -> None:
    """Two imports may well be those of a library."""
    files = {path: text for path, text in APPS.items() if "bills" not in path}
    assert _called(files, "site.apps.orders.views.pay") == set()
