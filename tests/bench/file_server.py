"""Serves a file as the hub does: ``python -m tests.bench.file_server FILE PATH COMMIT SHA256``."""

from __future__ import annotations

import http.server
import sys
from pathlib import Path


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    file: Path
    path_of_file: str
    commit: str
    sha256: str

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        if self._answer():
            # The kernel copies it, so that the server takes little of the two processors.
            with self.file.open("rb") as file:
                self.wfile.flush()
                self.connection.sendfile(file)

    def _answer(self) -> bool:
        found = self.path == self.path_of_file
        self.send_response(200 if found else 404)
        self.send_header("X-Repo-Commit", self.commit)
        size = self.file.stat().st_size if found else 0
        if found:
            for name in ("ETag", "X-Linked-Etag"):
                self.send_header(name, f'"{self.sha256}"')
            self.send_header("X-Linked-Size", str(size))
        self.send_header("Content-Length", str(size))
        self.end_headers()
        return found

    def log_message(self, *_: object) -> None:
        """Say nothing: what is measured writes no log either."""


def main(file: str, path: str, commit: str, sha256: str) -> None:
    """Serve until the process is ended; the first line of output is the port."""
    known = {"file": Path(file), "path_of_file": path, "commit": commit, "sha256": sha256}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), known))
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
