"""Stage markers, asked of a model that a few lines of fake stand for."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from roadworthy.knowledge.vocabulary import Effect, EntryKind
from support.cases import Case, build_case
from support.stages import innermost_function, stage_differences, word_of


@dataclass
class _Scope:
    line: int
    end_line: int


@dataclass
class _Function:
    id: str
    scope: _Scope
    path: str = "app.py"


@dataclass
class _Reached:
    entry: EntryKind


@dataclass
class _Exposure:
    entries: tuple[_Reached, ...]


OUTER, INNER = _Function("app.f", _Scope(1, 3)), _Function("app.f.g", _Scope(2, 3))


class _Model:
    functions = (OUTER, INNER)

    def sites_at(self, path: str, line: int) -> list[str]:
        return ["site"] if line == 3 else []

    def targets(self, site: str) -> tuple[str, ...]:
        return ("app.client.create",)

    def effects_at(self, site: str) -> list[Effect]:
        return [Effect.HTTP_REQUEST, Effect.COMMIT]

    def guards_on(self, site: str) -> list[object]:
        return []

    def exposure(self, function: _Function) -> _Exposure:
        return _Exposure((_Reached(EntryKind.JOB),) if function is OUTER else ())


def _case(first: str = "", third: str = "") -> Case:
    text = f"def f():{first}\n  def g():\n    create(){third}\n"
    return build_case("t.md", 1, "A case", [("app.py", text, 1)])


@pytest.mark.parametrize(
    "case",
    [
        _case(third="  # calls: app.client.create"),
        _case(third="  # effect: http-request"),
        _case(third="  # effect: http-request, commit  # guard: none"),
        _case(first="  # entry: job"),
        _case(third="  # entry: none"),
    ],
)
def test_the_model_agrees(case: Case) -> None:
    """A marker is checked only for what it names."""
    assert stage_differences(case, _Model()) == ""


@pytest.mark.parametrize(
    ("case", "told"),
    [
        (_case(third="  # calls: app.other"), "+ the model has:  app.client.create"),
        (_case(third="  # guard: retry"), "+ the model has:  none"),
        (_case(third="  # effect: none"), "+ the model has:  commit, http-request"),
        (_case(first="  # calls: app.client.create"), "- expected calls:  app.client.create"),
    ],
)
def test_the_model_disagrees(case: Case, told: str) -> None:
    """What the model has instead is shown."""
    assert told in stage_differences(case, _Model())


def test_the_innermost_function_is_meant() -> None:
    """A marker inside a nested function is not about the outer one."""
    assert innermost_function(_Model(), "app.py", 3) is INNER
    assert innermost_function(_Model(), "other.py", 3) is None


def test_a_value_without_a_word_is_an_error_of_the_test() -> None:
    """A question that changes its answer's type must not pass as an empty answer."""
    with pytest.raises(TypeError):
        word_of(3)
