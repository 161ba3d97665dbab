"""An inspector for Python production code: it finds where work will be lost, duplicated or stalled.

The public interface: `review(paths, settings) -> Review`.
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["Finding", "Review", "Settings", "Severity", "UsageError", "__version__", "review"]

_HOMES = {
    "Finding": "roadworthy.findings.finding",
    "Review": "roadworthy.findings.finding",
    "Settings": "roadworthy.config",
    "Severity": "roadworthy.findings.finding",
    "UsageError": "roadworthy.config",
    "review": "roadworthy.engine",
}


def __getattr__(name: str) -> object:
    """Load a public name on first use: whoever asks only for the version does not wait for the engine."""
    if name not in _HOMES:
        raise AttributeError(f"module 'roadworthy' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
