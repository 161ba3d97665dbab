"""Who speaks in a report."""

from __future__ import annotations

NAME = "roadworthy"
VERSION = "0.1.0"
INFORMATION = "https://pypi.org/project/roadworthy/"
SCHEMA_VERSION = 1
"""Of the JSON report: raised when a key changes its meaning or goes away."""
