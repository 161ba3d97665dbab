"""The HTTP API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import text

from orders.db import Db, async_engine
from orders.durable import temporal
from orders.routes import exports, orders, webhooks


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await temporal()
    yield
    await async_engine.dispose()


app = FastAPI(title="orders", lifespan=lifespan)
app.include_router(orders.router)
app.include_router(webhooks.router)
app.include_router(exports.router)


@app.get("/healthz")
async def healthz(session: Db) -> dict[str, bool]:
    await session.execute(text("SELECT 1"))
    return {"ok": True}
