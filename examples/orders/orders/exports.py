"""CSV exports for the accountants."""

import csv
import enum
import uuid
from datetime import date
from pathlib import Path

from sqlalchemy import func, select

from orders.config import settings
from orders.db import Sessions
from orders.models import Order


class ExportStatus(enum.StrEnum):
    RUNNING = "running"
    READY = "ready"


exports: dict[str, ExportStatus] = {}


def start() -> str:
    export_id = uuid.uuid4().hex
    exports[export_id] = ExportStatus.RUNNING
    return export_id


def write(export_id: str, day: date) -> None:
    with Sessions() as session:
        rows = session.scalars(select(Order).where(func.date(Order.created_at) == day)).all()
    with path_of(export_id).open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["order", "status", "cents"])
        for order in rows:
            out.writerow([order.id, order.status, order.total_cents])
    exports[export_id] = ExportStatus.READY


def status_of(export_id: str) -> ExportStatus | None:
    return exports.get(export_id)


def path_of(export_id: str) -> Path:
    return Path(settings.export_dir) / f"{export_id}.csv"
