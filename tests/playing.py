"""A recorded conversation over a websocket, played as a provider."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve


@contextmanager
def playing(messages, ssl=None, code=1000):
    """A provider that says what was received in these messages, and listens where they were sent; the URL.

    `code` is what it closes with once all is said, if that is no proper end; else it waits for the client to close.
    """

    def play(socket):
        try:
            for direction, data in messages:
                if direction == "sent":
                    socket.recv(timeout=10)
                else:
                    socket.send(data if isinstance(data, str) else json.dumps(data))
            if code == 1000:
                socket.recv(timeout=10)  # until the client closes
            else:
                socket.close(code, "over")
        except (ConnectionClosed, TimeoutError):
            pass

    with serve(play, "127.0.0.1", 0, ssl=ssl) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        try:
            yield f"{'ws' if ssl is None else 'wss'}://127.0.0.1:{serving.socket.getsockname()[1]}"
        finally:
            serving.shutdown()
            thread.join()
