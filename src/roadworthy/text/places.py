"""Where caches and what must outlive a run lie: in the user's own folders, never in the reviewed tree by accident."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_state_path

CACHE_VARIABLE = "ROADWORTHY_CACHE"
"""Names another cache folder; empty for none."""


STATE_VARIABLE = "ROADWORTHY_STATE"
"""Names another folder for what must outlive a run."""


def cache_folder() -> Path | None:
    """Find the folder for caches, or None when the user wants none or has no place for one.

    Without a home folder the usual place would be `~/.cache` with a literal `~`, inside whatever is current.
    """
    override = os.environ.get(CACHE_VARIABLE)
    if override == "":
        return None
    try:
        folder = Path(override).absolute() if override else user_cache_path("roadworthy")
    except (OSError, RuntimeError, KeyError):
        return None
    return folder if folder.is_absolute() else None


def state_folder() -> Path | None:
    """Find the folder for what must outlive a run, or None when the user has no place for it."""
    override = os.environ.get(STATE_VARIABLE)
    try:
        folder = Path(override).absolute() if override else user_state_path("roadworthy")
    except (OSError, RuntimeError, KeyError):
        return None
    return folder if folder.is_absolute() else None
