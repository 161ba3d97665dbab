#!/bin/sh
set -eu

case "${1:-api}" in
  jobs)
    exec celery -A orders.tasks worker --loglevel=info --concurrency=4
    ;;
  beat)
    exec celery -A orders.tasks beat --loglevel=info
    ;;
  durable)
    exec python -m orders.worker
    ;;
  api)
    python -m orders.manage create-schema
    uvicorn orders.app:app --host 0.0.0.0 --port 8000 --proxy-headers
    ;;
esac
