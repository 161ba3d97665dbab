"""The fix for each kind of violation: the code base's own pattern where there is one, else a standard recipe.

Every function returns the text of **Fix**. First form; `patterns.py` will mine what the project does right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.project.clients import TimeoutVerdict
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model


def timeout(model: Model, effect: EffectAt, verdict: TimeoutVerdict) -> str:
    """Bound a call or the client that makes it."""
    raise NotImplementedError
