"""A connection to a client, and a request as it arrives on it.

waitress's classes, with what `server` promises added.
"""

import json
import socket
import time

from waitress import channel, parser, task
from waitress import utilities as waitress_errors

# Of the line before a chunk, or of what follows the last.
_CHUNK_LINE_BYTES = 1 << 12
# Seconds in which a client reads the last answer before it is cut off.
_LINGER = 2.0


class Error(waitress_errors.Error):
    """An answer to what is no request."""

    def __init__(self, code, reason, message):
        super().__init__(message)
        self.code, self.reason = code, reason


class Request(parser.HTTPRequestParser):
    """A request as it is received."""

    def __init__(self, adj):
        super().__init__(adj)
        self.started = time.monotonic()

    @property
    def received_bytes(self):
        """How much of it has arrived."""
        return self.header_bytes_received + self.body_bytes_received

    def received(self, data):
        """Takes bytes, and returns how many are part of this request."""
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
        """Takes the request line and the headers."""
        super().parse_header(header_plus)
        if self.version not in ("1.0", "1.1"):
            self.error = Error(
                505,
                "HTTP Version Not Supported",
                "the server speaks HTTP/1.1 and HTTP/1.0",
            )


class _ErrorTask(task.ErrorTask):
    """Answers what is no request, as the application answers its errors."""

    def execute(self):
        """Writes the answer."""
        error = self.request.error
        self.status = f"{error.code} {error.reason}"
        body = json.dumps({"error": str(error.body)}).encode()
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        is_head = getattr(self.request, "command", None) == "HEAD"
        self.write(b"" if is_head else body)


class Connection(channel.HTTPChannel):
    """A connection."""

    parser_class = Request
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
                self._end_after_answers()
        elif self.total_outbufs_len:
            if silence > limits.idle_seconds:
                self.handle_close()
        elif self.request is not None:
            self._check_progress(self.request, now, stopping)
        elif stopping or silence > limits.idle_seconds:
            self.handle_close()

    def _end_after_answers(self):
        with self.requests_lock:
            if self.requests:
                # The thread that answers it reads this, and closes.
                self.requests[-1].headers["CONNECTION"] = "close"

    def _check_progress(self, request, now, stopping):
        limits = self.server.limits
        allowed = (
            limits.receive_seconds
            + request.received_bytes / limits.bytes_per_second
        )
        if stopping:
            self.refuse(
                Error(503, "Service Unavailable", "the server is stopping")
            )
        elif now - request.started > allowed:
            self.refuse(
                Error(
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
        """Is called when bytes have arrived, or the client has ended."""
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
        """Is called when bytes can be sent."""
        if self._linger_until is None:
            super().handle_write()

    def handle_close(self):
        """Closes; of what was sent before, only when the client has it."""
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
        """Returns whether `handle_read` should be called."""
        return self._linger_until is not None or super().readable()

    def writable(self):
        """Returns whether `handle_write` should be called."""
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
