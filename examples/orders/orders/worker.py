"""The Temporal worker."""

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from temporalio.worker import Worker

from orders import workflows
from orders.durable import QUEUE, temporal


async def main() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)

    with ThreadPoolExecutor(max_workers=16) as threads:
        worker = Worker(
            await temporal(),
            task_queue=QUEUE,
            workflows=[workflows.FulfilOrder, workflows.RefundOrder],
            activities=[
                workflows.reserve_stock,
                workflows.book_shipment,
                workflows.refund_payment,
                workflows.tell_customer,
            ],
            activity_executor=threads,
            graceful_shutdown_timeout=timedelta(seconds=30),
        )
        async with worker:
            await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
