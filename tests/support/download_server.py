"""A server of files on this machine that is honest, forgetful or hostile."""

import contextlib
import http.server
import time

CONTENT = bytes(range(256)) * 40


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by path; `cut` is after how many bytes the connection drops, once each."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cut, self.asked = {}, [], []
        self.ranges, self.validator, self.lengths, self.status = True, '"one"', True, 200
        self.answer_range, self.changed_validator, self.drip = None, None, None
        self.redirects = {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.end_headers()
            return
        content = server.files.get(self.path)
        if content is None or server.status != 200:
            self.send_error(404 if content is None else server.status)
            return
        if server.drip == "headers":
            self.send_slowly(b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 100)
            return
        start = 0
        same = self.headers.get("If-Range") == server.validator
        if wanted and server.ranges and same:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            first = start if server.answer_range is None else server.answer_range
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if server.validator:
            changed = wanted and server.changed_validator
            self.send_header("ETag", changed or server.validator)
        if server.lengths:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if server.drip == "body":
            self.send_slowly(content)
            return
        end = start + server.cut.pop(0) if server.cut else len(content)
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content[start:end])

    def send_slowly(self, data):
        """A byte each 20 ms, until the other side goes away."""
        with contextlib.suppress(OSError):
            for byte in data[:100]:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)

    def log_message(self, *args):
        pass
