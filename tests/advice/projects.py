"""Small projects as their owners would write them: what they do right must come back in the advice."""

DJANGO = {
    "shop/settings.py": """
EMAIL_HOST = "smtp.example"
HTTP_TIMEOUT = 7
""",
    "shop/models.py": """
from django.db import models

class Order(models.Model):
    number = models.CharField(max_length=20)
    email = models.EmailField()

class Delivery(models.Model):
    external_id = models.CharField(max_length=40, unique=True)
""",
    "shop/tasks.py": """
from celery import shared_task
from shop.models import Delivery

@shared_task(autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def confirm(order_id):
    ...

@shared_task(autoretry_for=(OSError,), retry_backoff=True, max_retries=8)
def invoice(order_id):
    ...

def record(external_id):
    Delivery.objects.update_or_create(external_id=external_id, defaults={})
""",
    "shop/views.py": """
import threading
from django.core.mail import send_mail
from django.db import transaction
from shop.models import Order
from shop.tasks import confirm, invoice

def send_receipt(order_id, request):
    send_mail("Receipt", "...", "shop@example.com", ["a@example.com"])

def place(request):
    with transaction.atomic():
        order = Order.objects.create(number=request.POST["number"])
        transaction.on_commit(lambda: invoice.delay(order.pk))
        confirm.delay(order.pk)
    threading.Thread(target=send_receipt, args=(order.pk, request)).start()

def place_all(request, numbers):
    with transaction.atomic():
        for number in numbers:
            order = Order.objects.create(number=number)
            confirm.delay(order.pk)

def cancel(request, number):
    order = Order.objects.get(number=number)
    order.delete()
""",
}

SERVICE = {
    "app/settings.py": """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    http_timeout: int = 4

settings = Settings()
""",
    "app/background.py": """
from arq import create_pool
from arq.connections import RedisSettings

async def run_in_background(name: str, *args):
    pool = await create_pool(RedisSettings())
    await pool.enqueue_job(name, *args)
""",
    "app/retrying.py": """
import stamina, httpx

def retrying(function):
    return stamina.retry(on=httpx.HTTPError, attempts=5)(function)
""",
    "app/worker.py": """
async def refresh_rates(ctx, currency):
    ...

async def send_report(ctx, report_id):
    ...

class WorkerSettings:
    functions = [refresh_rates, send_report]
""",
    "app/rates.py": """
import asyncio, httpx, requests
from app.background import run_in_background
from app.retrying import retrying
from app.settings import settings

@retrying
async def fetch(currency):
    async with httpx.AsyncClient(timeout=settings.http_timeout) as client:
        return await client.get(currency)

@retrying
async def fetch_all():
    async with httpx.AsyncClient(timeout=settings.http_timeout) as client:
        return await client.get("all")

def old(currency):
    return requests.get(f"https://rates.example/{currency}", headers={"a": "b"}, timeout=settings.http_timeout)

async def schedule(currency):
    await run_in_background("refresh_rates", currency)
    await run_in_background("send_report", 1)

async def parse(data):
    return await asyncio.to_thread(len, data)
""",
    "app/api.py": """
import asyncio, logging, httpx, requests
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession
from app.settings import settings

app = FastAPI()
log = logging.getLogger(__name__)

async def store(session: AsyncSession, order_id: int):
    session.add(order_id)
    await session.commit()

@app.post("/orders")
async def create(order_id: int, session: AsyncSession):
    asyncio.create_task(store(session, order_id))
    log.info("stored")
    await asyncio.sleep(0)
    return requests.get("https://stock.example/level", params={"id": order_id}).json()

@app.get("/levels")
async def levels():
    return requests.get("https://stock.example/levels").json()

async def convert(currency):
    async with httpx.AsyncClient(timeout=None) as client:
        return await client.get(currency)
""",
}

PLAIN = {
    "main.py": """
import asyncio
import requests
from concurrent.futures import ThreadPoolExecutor

def push(url, body):
    return requests.post(url, json=body)

async def work(item):
    await asyncio.sleep(1)

async def main():
    asyncio.create_task(work("a"))
    asyncio.create_task(push("https://example.com/a/rather/long/address", {"some": "thing", "that": "is", "also": "long"}))
""",
}
