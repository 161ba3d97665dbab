"""Settings and where they come from: `roadworthy.toml`, `[tool.roadworthy]` in `pyproject.toml`, the command line."""

from roadworthy.config.load import load_settings
from roadworthy.config.settings import ConfigError, PathRule, Settings, UsageError

__all__ = ["ConfigError", "PathRule", "Settings", "UsageError", "load_settings"]
