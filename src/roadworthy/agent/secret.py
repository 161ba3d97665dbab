"""Which files hold keys or passwords: their content must not go to a model, whoever runs it."""

from __future__ import annotations

import re

_SECRET = re.compile(
    r"(?:\.env(?:\.(?!example$|sample$|template$|dist$)[^/]+)?|.*\.(?:pem|key|p12|pfx|jks|keystore|kdbx|asc|gpg)|id_(?:rsa|dsa|ecdsa|ed25519)"
    r"|\.netrc|\.pypirc|\.npmrc|\.htpasswd|credentials(?:\.json)?|service[-_]account.*\.json)",
    re.IGNORECASE,
)


def is_secret(path: str) -> bool:
    """Tell whether a file by its name holds keys or passwords: its content must not go to a model."""
    return _SECRET.fullmatch(path.rpartition("/")[2]) is not None
