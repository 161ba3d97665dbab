"""Database sessions: asynchronous for the API, synchronous for jobs and activities."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from orders.config import settings

_LIMITS = {"connect_timeout": 5, "options": "-c statement_timeout=15000"}

async_engine = create_async_engine(settings.database_url, pool_pre_ping=True, connect_args=_LIMITS)
engine = create_engine(settings.database_url, pool_pre_ping=True, connect_args=_LIMITS)

AsyncSessions = async_sessionmaker(async_engine, expire_on_commit=False)
Sessions = sessionmaker(engine, expire_on_commit=False)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSessions() as session:
        yield session


Db = Annotated[AsyncSession, Depends(get_session)]
