"""The application over a store on a free port of this machine, as long as it is needed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import uvicorn

from agentops_otel.server.app import make_app


@contextlib.contextmanager
def served(store, keys=()):
    """Serve a store; gives the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = make_app(store, keys)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
        assert not thread.is_alive()
