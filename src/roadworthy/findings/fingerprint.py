"""The identity of a finding without line numbers: it survives code that moves inside its file."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.findings.finding import Finding


def with_fingerprints(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Give each finding its fingerprint: rule, path, function, subject, and its number among equals in that order of lines.

    Call it on all findings of a review, before any is held back, so that hiding one does not rename its neighbours.
    """
    ordered = sorted(
        findings, key=lambda finding: (finding.rule, finding.at.path, finding.at.line, finding.at.column, finding.title)
    )
    seen: Counter[tuple[str, ...]] = Counter()
    result = []
    for finding in ordered:
        key = (finding.rule, finding.at.path, finding.at.function, finding.subject)
        result.append(finding if finding.fingerprint else replace(finding, fingerprint=_digest(key, seen[key])))
        seen[key] += 1
    return tuple(result)


def _digest(key: tuple[str, ...], ordinal: int) -> str:
    """Return 16 hexadecimal digits."""
    text = "\0".join((*key, str(ordinal)))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
