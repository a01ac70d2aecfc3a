"""An HTTP server for WSGI applications that no client can hang.

waitress reads requests in one thread and answers them in a few others, so a
slow client costs a socket and no thread.  Added to it here:

- every request that is begun is answered: one that is malformed, too large,
  only half sent or sent too slowly gets a status of 4xx and a JSON object
  {"error": message}, as the application's own errors do in TensorFlow Serving;
- an answer arrives even where the client is still sending: the connection is
  closed in both directions only when the client has read it;
- it stops within seconds, and answers first what it has begun.
"""

import dataclasses
import logging
import threading
import time

from waitress import adjustments, server, task, wasyncore

from tfnoisy.http import connection

# Neither a queue of requests nor too many connections are news: clients wait.
for _name in ("waitress", "waitress.queue"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_HEADER_BYTES = 1 << 16
# Larger bodies wait on disk for the rest of them.
_BODY_BYTES_IN_MEMORY = 1 << 20
# Seconds between two looks for what takes too long.
_TICK = 0.5


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one client may ask for.

    Attributes:
        body_bytes: of a request.
        receive_seconds: from a request's first byte to its last, at
            `bytes_per_second` longer for what has arrived.
        bytes_per_second: the slowest that a client may send for long.
        idle_seconds: between two requests, or without reading an answer.
        connections: at a time; further ones wait, and idle ones make room.
        threads: requests that are answered at a time.
    """

    body_bytes: int = 64 << 20
    receive_seconds: float = 20.0
    bytes_per_second: int = 10_000
    idle_seconds: float = 60.0
    connections: int = 500
    threads: int = 8


class HttpServer:
    """Answers by a WSGI application, in threads of its own, until closed.

    Attributes:
        address: HOST:PORT.
    """

    def __init__(self, application, host="127.0.0.1", port=0, limits=None):
        """Listens, and begins to answer.

        Args:
            application: by PEP 3333.  It handles its own exceptions; after
                one that escapes the status is 500.
            host: the address to listen at.
            port: 0 for any that is free.
            limits: a `Limits`.

        Raises:
            OSError: if the port cannot be listened at.
        """
        self._limits = limits or Limits()
        self._sockets = {}
        self._server = _Server(
            application, host, port, self._limits, self._sockets
        )
        self.address = f"{host}:{self._server.effective_port}"
        self._stop_by = None
        self._thread = threading.Thread(
            target=self._loop, name="http-server", daemon=True
        )
        self._thread.start()

    def close(self, seconds=5.0):
        """Answers the requests that were received whole, and no more.

        Args:
            seconds: the most that this takes; what is unanswered then is
                dropped.
        """
        if self._thread.is_alive():
            self._server.trigger.pull_trigger(
                lambda: self._begin_to_stop(seconds)
            )
            self._thread.join()

    def _loop(self):
        next_tick = 0.0
        while True:
            wasyncore.loop(_TICK, use_poll=True, map=self._sockets, count=1)
            now = time.monotonic()
            stopping = self._stop_by is not None
            if stopping or now >= next_tick:
                self._server.tick(now, stopping)
                next_tick = now + _TICK
            if stopping and (
                not self._server.active_channels or now > self._stop_by
            ):
                break
        self._server.task_dispatcher.shutdown(timeout=1)
        if self._server.task_dispatcher.threads:
            # One that never ends may still write to it.
            self._server.trigger.del_channel()
        wasyncore.close_all(self._sockets)

    def _begin_to_stop(self, seconds):
        self._stop_by = time.monotonic() + seconds
        # No more connections; the server's trigger stays.
        wasyncore.dispatcher.close(self._server)


class _Server(server.TcpWSGIServer):
    def __init__(self, application, host, port, limits, sockets):
        self.limits = limits
        adj = adjustments.Adjustments(
            host=host,
            port=port,
            threads=limits.threads,
            connection_limit=limits.connections,
            ident=None,
            log_socket_errors=False,
            max_request_header_size=_HEADER_BYTES,
            # waitress refuses bodies of this size, not only larger ones.
            max_request_body_size=limits.body_bytes + 1,
            inbuf_overflow=_BODY_BYTES_IN_MEMORY,
            # No thread waits for a client to read: `tick` closes such ones.
            outbuf_high_watermark=1 << 40,
            # `tick` does this.
            cleanup_interval=1 << 30,
        )
        dispatcher = task.ThreadedTaskDispatcher()
        dispatcher.set_thread_count(limits.threads)
        super().__init__(application, sockets, dispatcher=dispatcher, adj=adj)

    @property
    def channel_class(self):
        return connection.Connection

    def tick(self, now, stopping):
        """Ends what takes too long; with `stopping` all that can be ended."""
        channels = sorted(
            self.active_channels.values(), key=lambda each: each.last_activity
        )
        for each in channels:
            each.tick(now, stopping)
        if self.in_connection_overflow:
            idle = [each for each in channels if each.is_idle()]
            for each in idle[: 1 + len(idle) // 2]:
                each.handle_close()
