"""OpenAPI documents are read for the functions that they name, and for nothing else."""

from __future__ import annotations

import pytest

from facts_around.showing import facts_of, settings
from roadworthy.facts.around import extract_around


def test_operations_that_name_their_function() -> None:
    facts = facts_of(
        "spec/api.yaml",
        """
        swagger: "2.0"
        paths:
          /orders:
            parameters: []
            get: {operationId: shop.orders.search}
            post:
              x-swagger-router-controller: shop.orders
              operationId: create
          /bills:
            get: {operationId: getBills}
        """,
    )
    assert facts.kind == "openapi"
    assert settings(facts) == {
        "operation.GET /orders": "shop.orders.search",
        "operation.POST /orders": "shop.orders.create",
    }
    assert [setting.line for setting in facts.settings] == [5, 8]


@pytest.mark.parametrize(
    "text",
    [
        "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      operationId: getA\n",
        "name: x\npaths:\n  /a:\n    get:\n      operationId: shop.orders.get\n",
        "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      operationId: shop.orders.\n",
        "openapi: 3.0.0\npaths: [shop.a]\nx: {operationId: shop.orders.get\n",
        "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      operationId: 'shop.orders; rm -rf'\n",
        "openapi: 3.0.0\n" + "".join(f"{' ' * n}a:\n" for n in range(300)) + "b: {operationId: shop.orders.get}\n",
    ],
)
def test_what_names_no_function_is_declined(text: str) -> None:
    """Also what cannot be parsed, and what is nested too deep."""
    assert extract_around("openapi.yaml", text.encode()) is None
