"""HTTP clients for other people's services."""

import httpx


def partner_client(base_url: str, token: str) -> httpx.Client:
    """A client that gives up after ten seconds and tries a refused connection again."""
    return httpx.Client(
        base_url=base_url,
        headers={"Authorization": f"Bearer {token}"},
        timeout=httpx.Timeout(10.0, connect=3.0),
        transport=httpx.HTTPTransport(retries=2),
    )
