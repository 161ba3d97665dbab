"""Exports that the accountants ask for."""

from datetime import date

from fastapi import APIRouter, BackgroundTasks, HTTPException
from fastapi.responses import FileResponse

from orders import exports

router = APIRouter(prefix="/exports")


@router.post("", status_code=202)
def start_export(day: date, background: BackgroundTasks) -> dict[str, str]:
    export_id = exports.start()
    background.add_task(exports.write, export_id, day)
    return {"id": export_id}


@router.get("/{export_id}")
def read_export(export_id: str) -> FileResponse:
    status = exports.status_of(export_id)
    if status is None:
        raise HTTPException(404, "no such export")
    if status is exports.ExportStatus.RUNNING:
        raise HTTPException(409, "the export is still being written")
    return FileResponse(exports.path_of(export_id), media_type="text/csv")
