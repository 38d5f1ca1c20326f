"""A recorded conversation over a websocket, played as a provider."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


@contextmanager
def playing(messages):
    """A provider that says what was received in these messages, and listens where they were sent; the URL."""

    def play(socket):
        try:
            for direction, data in messages:
                if direction == "sent":
                    socket.recv(timeout=10)
                else:
                    socket.send(data if isinstance(data, str) else json.dumps(data))
            socket.recv(timeout=10)  # until the client closes
        except (ConnectionClosed, TimeoutError):
            pass

    with serve(play, "127.0.0.1", 0) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{serving.socket.getsockname()[1]}"
        finally:
            serving.shutdown()
            thread.join()
