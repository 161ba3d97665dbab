from roadworthy.config import Settings as Settings
from roadworthy.config import UsageError as UsageError
from roadworthy.engine import review as review
from roadworthy.findings.finding import Finding as Finding
from roadworthy.findings.finding import Review as Review
from roadworthy.findings.finding import Severity as Severity

__version__: str
__all__ = ["Finding", "Review", "Settings", "Severity", "UsageError", "__version__", "review"]
