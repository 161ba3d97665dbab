"""The check of snippets (`tools/pasteable.py`), and what the product says of names that are not at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pasteable
from roadworthy.advice.imports import with_imports
from roadworthy.engine import model_of

if TYPE_CHECKING:
    from pathlib import Path

_APP = """
from app.log import logger as log
from django.db import transaction
from app.tasks import remind

def send(order):
    pass
"""


def test_a_name_that_is_nowhere_is_a_fault(tmp_path: Path) -> None:
    """A name of the function, of the module, of the text or a builtin is none."""
    (tmp_path / "app.py").write_text(_APP, encoding="utf-8")
    fix = "Send it later:\n```python\ntransaction.on_commit(lambda: remind.delay(order.id, key, F, len(order)))\n```"
    found = pasteable.faults(fix, tmp_path, "app.py", 7)
    assert [(fault.kind, fault.detail) for fault in found] == [("name", "F"), ("name", "key")]
    told = fix + "\nAt the top of the module: `from django.db.models import F`, `key = 1`."
    assert pasteable.faults(told, tmp_path, "app.py", 7) == []


def test_a_gap_is_a_fault_and_the_rest_of_a_body_is_none(tmp_path: Path) -> None:
    """`...` as a statement stands for what is there; as a value nobody can paste it."""
    (tmp_path / "app.py").write_text(_APP, encoding="utf-8")
    kept = "Do:\n```python\nwith transaction.atomic():\n    ...  # as it is\n```"
    assert pasteable.faults(kept, tmp_path, "app.py", 7) == []
    for code in ("remind(…)", "remind(order, ...)", "remind("):
        assert pasteable.faults(f"Do:\n```python\n{code}\n```", tmp_path, "app.py", 7)


def test_what_a_snippet_needs_is_said_as_the_code_base_imports_it() -> None:
    """Its own logger before one of the standard library; nothing for what is at hand."""
    files = {
        "app/log.py": "import logging\nlogger = logging.getLogger('app')\n",
        "app/a.py": "from app.log import logger\n\ndef one():\n    logger.info('x')\n",
        "app/b.py": "from django.db import models\n\ndef two(order):\n    pass\n",
    }
    model = model_of(files)
    fix = "Log:\n```python\ntransaction.on_commit(lambda: logger.error(order))\n```"
    text = with_imports(model, "app/b.py", 4, fix)
    assert text.endswith("At the top of the module: `from app.log import logger`, `from django.db import transaction`.")
    assert with_imports(model, "app/a.py", 4, "Log:\n```python\nlogger.error(1)\n```").endswith("```")


def test_a_module_without_a_logger_is_given_one() -> None:
    """Where the code base has none to import."""
    model = model_of({"app.py": "def one():\n    pass\n"})
    text = with_imports(model, "app.py", 2, "Log:\n```python\nlogger.error(1)\n```")
    assert "`import logging`, `logger = logging.getLogger(__name__)`" in text
