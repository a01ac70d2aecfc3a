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
import json
import logging
import socket
import threading
import time

from waitress import adjustments, channel, parser, server, task, wasyncore
from waitress import utilities as waitress_errors

# Neither a queue of requests nor too many connections are news: clients wait.
for _name in ("waitress", "waitress.queue"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_HEADER_BYTES = 1 << 16
# Of the line before a chunk, or of what follows the last.
_CHUNK_LINE_BYTES = 1 << 12
# Larger bodies wait on disk for the rest of them.
_BODY_BYTES_IN_MEMORY = 1 << 20
# Seconds in which a client reads the last answer before it is cut off.
_LINGER = 2.0
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
        return _Channel

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


class _Error(waitress_errors.Error):
    """An answer to what is no request."""

    def __init__(self, code, reason, message):
        super().__init__(message)
        self.code, self.reason = code, reason


class _Parser(parser.HTTPRequestParser):
    """A request as it is received."""

    def __init__(self, adj):
        super().__init__(adj)
        self.started = time.monotonic()

    @property
    def received_bytes(self):
        return self.header_bytes_received + self.body_bytes_received

    def received(self, data):
        try:
            consumed = super().received(data)
        except ValueError as error:  # E.g. a URL of half an IPv6 address.
            self.error = waitress_errors.BadRequest(str(error))
            consumed = len(data)
        if self.chunked and self._waiting_bytes() > _CHUNK_LINE_BYTES:
            self.error = waitress_errors.BadRequest("Invalid chunk size")
        if isinstance(self.error, waitress_errors.RequestEntityTooLarge):
            limit = self.adj.max_request_body_size - 1
            self.error.body = f"the body has more than {limit:,} bytes"
        if self.error:
            self.completed = True
            # No "100 Continue" for what is refused already.
            self.expect_continue = False
        return consumed

    def _waiting_bytes(self):
        """Returns the length of lines around chunks that have not ended."""
        return len(self.body_rcv.control_line) + len(self.body_rcv.trailer)

    def parse_header(self, header_plus):
        super().parse_header(header_plus)
        if self.version not in ("1.0", "1.1"):
            self.error = _Error(
                505,
                "HTTP Version Not Supported",
                "the server speaks HTTP/1.1 and HTTP/1.0",
            )


class _ErrorTask(task.ErrorTask):
    """Answers what is no request, as the application answers its errors."""

    def execute(self):
        error = self.request.error
        self.status = f"{error.code} {error.reason}"
        body = json.dumps({"error": str(error.body)}).encode()
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        is_head = getattr(self.request, "command", None) == "HEAD"
        self.write(b"" if is_head else body)


class _Channel(channel.HTTPChannel):
    """A connection."""

    parser_class = _Parser
    error_task_class = _ErrorTask
    _linger_until = None

    def is_idle(self):
        """Returns whether nothing is on its way in either direction."""
        return not (
            self.requests or self.request is not None or self.total_outbufs_len
        )

    def tick(self, now, stopping):
        """Ends what takes too long; with `stopping` all that can be ended."""
        limits = self.server.limits
        silence = time.time() - self.last_activity
        if self._linger_until is not None:
            if now > self._linger_until:
                self.handle_close()
        elif self.requests:
            if stopping:
                # Of the task that answers it, which then closes.
                self.requests[-1].headers["CONNECTION"] = "close"
        elif self.total_outbufs_len:
            if silence > limits.idle_seconds:
                self.handle_close()
        elif self.request is not None:
            self._check_progress(self.request, now, stopping)
        elif stopping or silence > limits.idle_seconds:
            self.handle_close()

    def _check_progress(self, request, now, stopping):
        limits = self.server.limits
        allowed = (
            limits.receive_seconds
            + request.received_bytes / limits.bytes_per_second
        )
        if stopping:
            self.refuse(
                _Error(503, "Service Unavailable", "the server is stopping")
            )
        elif now - request.started > allowed:
            self.refuse(
                _Error(
                    408,
                    "Request Timeout",
                    f"the request was not complete after {allowed:.0f} seconds",
                )
            )

    def refuse(self, error):
        """Answers a request of which only a part was received."""
        with self.requests_lock:
            request, self.request = self.request, None
            if request is None:
                return
            request.error, request.completed = error, True
            self.requests.append(request)
            if len(self.requests) == 1:
                self.server.add_task(self)

    def handle_read(self):
        if self._linger_until is not None:
            self._discard()
            return
        try:
            data = self.socket.recv(self.adj.recv_bytes)
        except BlockingIOError:
            return
        except OSError:
            self.handle_close()
            return
        if data:
            self.last_activity = time.time()
            self.received(data)
        elif self.request is not None:
            self.refuse(
                waitress_errors.BadRequest("the request ended half-way")
            )
        else:
            self.handle_close()

    def handle_write(self):
        if self._linger_until is None:
            super().handle_write()

    def handle_close(self):
        if self.will_close and self._linger_until is None and self.connected:
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            else:
                self._linger_until = time.monotonic() + _LINGER
                return
        super().handle_close()

    def readable(self):
        return self._linger_until is not None or super().readable()

    def writable(self):
        return self._linger_until is None and super().writable()

    def _discard(self):
        """Reads what a client sends that has its last answer."""
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.handle_close()
