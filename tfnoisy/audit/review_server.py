"""The page of `review`, served on this machine: decisions go to the disk.

Only this machine is listened to, only a browser that was given the address
with its token is answered, and no page of another site can send anything.
Each save names the version that it builds on: of two windows the second is
told that the first has saved.
"""

import hashlib
import hmac
import pathlib
import secrets
import threading

from werkzeug import wrappers

from tfnoisy import errors, output_file
from tfnoisy.datasets import corrections
from tfnoisy.http import server

_PAGE, _FILE = "/", "/corrections.csv"
_MOST_BYTES = 64 << 20
_NOTHING = "none"


class ReviewServer:
    """Serves a page until it is closed.

    Attributes:
        url: what to open, with the token.
    """

    def __init__(self, page, path, port=0):
        """Begins to serve.

        Args:
            page: the path of review.html.
            path: of the corrections.csv that is written.
            port: 0 for any that is free.

        Raises:
            UserError: if the port is taken.
        """
        application = _Application(pathlib.Path(page), pathlib.Path(path))
        try:
            self._server = server.HttpServer(
                application,
                port=port,
                limits=server.Limits(body_bytes=_MOST_BYTES),
            )
        except OSError as error:
            raise errors.UserError(
                f"--serve={port}: cannot listen there: {error.strerror}"
            ) from error
        application.address = self._server.address
        self.url = f"http://{self._server.address}/?token={application.token}"

    def close(self):
        """Answers what was begun, and no more."""
        self._server.close()


class _Application:
    """A WSGI application, see `ReviewServer`."""

    def __init__(self, page, path):
        self.token = secrets.token_urlsafe(16)
        self.address = ""
        self._page, self._path = page, path
        self._lock = threading.Lock()

    def __call__(self, environ, start_response):
        request = wrappers.Request(environ)
        try:
            response = self._answer(request)
        except errors.DataError as error:
            response = _refusal(400, str(error).splitlines()[0])
        except errors.UserError as error:
            response = _refusal(400, str(error))
        except errors.StorageError as error:
            response = _refusal(507, str(error))
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response(environ, start_response)

    def _answer(self, request):
        port = self.address.rpartition(":")[2]
        hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        if request.host not in hosts:
            return _refusal(403, "this is not the host that was asked for")
        origin = request.headers.get("Origin")
        if origin and origin.removeprefix("http://") not in hosts:
            return _refusal(403, "another site may not send anything here")
        given = request.headers.get("X-Token") or request.args.get("token", "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            return _refusal(403, "open the address that was printed, token too")
        if request.path == _PAGE and request.method == "GET":
            return self._served_page()
        if request.path == _FILE and request.method == "GET":
            return self._file()
        if request.path == _FILE and request.method == "PUT":
            return self._save(request)
        return _refusal(404, "there is nothing here")

    def _served_page(self):
        html = self._page.read_text(encoding="utf-8")
        html = html.replace("default-src 'none';", _WITH_SAVING, 1)
        return wrappers.Response(html, mimetype="text/html")

    def _file(self):
        with self._lock:
            contents, version = self._current()
        response = wrappers.Response(contents, mimetype="text/csv")
        response.headers["X-Version"] = version
        return response

    def _save(self, request):
        contents = request.get_data()
        with self._lock:
            if request.headers.get("X-Version") != self._current()[1]:
                return _refusal(
                    409, "another window has saved: reload this one"
                )
            # All may have been undone.
            if contents.strip() != ",".join(corrections.COLUMNS).encode():
                self._check(contents)
            output_file.write(self._path, contents)
            response = wrappers.Response(status=204)
            response.headers["X-Version"] = self._current()[1]
            return response

    def _check(self, contents):
        """Refuses what is no file of corrections."""
        new = self._path.with_name(f".{self._path.name}.new")
        output_file.write(new, contents)
        try:
            corrections.read(new)
        finally:
            new.unlink(missing_ok=True)

    def _current(self):
        """Returns the file's bytes and their version."""
        if not self._path.exists():
            return b"", _NOTHING
        contents = self._path.read_bytes()
        return contents, hashlib.sha256(contents).hexdigest()


# As long as the page is opened from a server, it may ask it.
_WITH_SAVING = "default-src 'none'; connect-src 'self';"


def _refusal(status, words):
    return wrappers.Response(f"{words}\n", status=status, mimetype="text/plain")
