"""Commands that the installed project puts on the path are entries."""

from __future__ import annotations

import pytest

from roadworthy.engine import model_of

_CLI = "import requests\n\ndef main():\n    requests.get('http://a')\n"
_DECLARED = {
    "pyproject.toml": '[project.scripts]\nshop = "shop.cli:main"\n',
    "setup.py": "from setuptools import setup\nsetup(entry_points={'console_scripts': ['shop = shop.cli:main [extra]']})\n",
    "backend/setup.py": "from setuptools import setup\nsetup(entry_points='''\n[console_scripts]\nshop = shop.cli:main\n[other]\na = b:c\n''')\n",
}


@pytest.mark.parametrize(("declared", "module"), [
    ("pyproject.toml", "shop/cli.py"), ("pyproject.toml", "src/shop/cli.py"), ("setup.py", "shop/cli.py"), ("backend/setup.py", "backend/shop/cli.py"),
])  # fmt: skip
def test_a_declared_command_is_an_entry(declared: str, module: str) -> None:
    model = model_of({declared: _DECLARED[declared], module: _CLI})
    assert [(e.kind.value, e.label, e.function.name) for e in model.entries.all] == [
        ("command", "command shop", "main")
    ]


def test_a_function_that_is_only_brought_in_there() -> None:
    files = {
        "pyproject.toml": '[tool.poetry.scripts]\nshop = "shop:run"\n',
        "shop/__init__.py": "from shop.cli import main as run\n",
    }
    model = model_of({**files, "shop/cli.py": _CLI})
    assert [entry.label for entry in model.entries.all] == ["command shop"]


@pytest.mark.parametrize("target", ["shop.cli:gone", "elsewhere:main", "shop.cli", "1:2:3", ""])
def test_what_is_not_there_is_no_entry(target: str) -> None:
    model = model_of({"pyproject.toml": f'[project.scripts]\nshop = "{target}"\n', "shop/cli.py": _CLI})
    assert not model.entries.all
