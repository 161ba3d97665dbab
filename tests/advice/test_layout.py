"""Long lines of snippets are broken as a formatter would, and say the same afterwards."""

from __future__ import annotations

import ast

import pytest

from roadworthy.advice.layout import WIDTH, broken, laid_out

LONG = "a_rather_long_name_of_something"


def test_a_short_line_stays() -> None:
    """Nothing is done to what fits."""
    assert broken("requests.get(url, timeout=10)") == "requests.get(url, timeout=10)"


def test_arguments_go_into_one_line_of_their_own_where_they_fit() -> None:
    """The bracket is opened, the arguments are kept together."""
    call = f"{LONG}.{LONG}({LONG}, key={LONG})"
    assert broken(call) == f"{LONG}.{LONG}(\n    {LONG}, key={LONG}\n)"


def test_a_comment_behind_a_long_line_goes_above_it() -> None:
    """It would be the first thing to fall out of sight."""
    line = f"{LONG} = {LONG} + 1  # one word for each reader of this line, and then some more"
    assert broken(line) == f"# one word for each reader of this line, and then some more\n{LONG} = {LONG} + 1"


@pytest.mark.parametrize(
    "code",
    [
        f"f({LONG}, {LONG}, {LONG}, {LONG})",
        f"x = ({LONG}({LONG}, {LONG}, {LONG}),)",
        f"f(g({LONG}, key={{'a': {LONG}, 'b': {LONG}, 'c,d': ({LONG})}}))",
        f"total_of_all_the_items = {LONG} + ({LONG} if x else {LONG})",
        f"f_of_the_whole({LONG}({LONG} for x in {LONG}.x))",
        f"f(lambda a, b: {LONG}(a, b, {LONG}, {LONG}, {LONG}))",
        f"f(headers={{key: {LONG} for key, value in {LONG}.{LONG} if key != {LONG}}}, data={LONG})",
        f"f([a if b else {LONG} for a, b in zip({LONG}, {LONG}) if a and {LONG}])",
        f"value = {LONG}[{LONG}[{LONG}({LONG})]]",
        f"def f({LONG}, *, {LONG}_2=None, {LONG}_3=None, {LONG}_4=0): ...",
        f"async with {LONG}({LONG}, {LONG}('it\\'s, (fine)'), {LONG}):\n    pass",
    ],
)
def test_broken_code_means_the_same(code: str) -> None:
    """No comma makes a tuple, none is lost, and no line is too long."""
    outside = "async def f():\n    {}".format
    again = broken(code)
    assert again != code
    assert max(map(len, again.split("\n"))) <= WIDTH
    before, after = (outside(text.replace("\n", "\n    ")) for text in (code, again))
    assert ast.dump(ast.parse(before)) == ast.dump(ast.parse(after))


def test_only_python_is_laid_out() -> None:
    """SQL, shell and prose stay as they are."""
    line = f"f({LONG}, {LONG}, {LONG}, {LONG})"
    text = f"{line}\n```sql\n{line}\n```\n```python\n{line}\n```"
    assert laid_out(text) == f"{line}\n```sql\n{line}\n```\n```python\n{broken(line)}\n```"
