"""The issues of a repository as GitHub serves them, on localhost."""

from __future__ import annotations

import contextlib
import http.server
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from localhost import listening

REPOSITORY = "someone/something"
TOKEN = "a-token-of-a-test"


@dataclass
class FakeGitHub:
    """
    What the server holds and was asked.

    ``refusals`` are the answers to the next requests that write: a status with headers and words,
    or ``None`` for doing it. ``always`` is the answer to all requests.
    """

    issues: list[dict] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    refusals: list[tuple[int, dict, object] | None] = field(default_factory=list)
    always: tuple[int, dict, object] | None = None
    url: str = ""

    def issue(self, number):
        """Return an issue."""
        return next(issue for issue in self.issues if issue["number"] == number)

    def made(self, values):
        """Add an issue, with all that an answer has of it which is read."""
        issue = {"number": 1 + len(self.issues), "state": "open", "state_reason": None, **values}
        issue["labels"] = [{"name": name} for name in values.get("labels", ())]
        self.issues.append(issue)
        return issue

    def listed(self, query):
        """Return a page of the issues with a label, newest first."""
        wanted = {"name": query["labels"][0]}
        found = [issue for issue in reversed(self.issues) if wanted in issue["labels"]]
        size, page = int(query["per_page"][0]), int(query["page"][0])
        return found[(page - 1) * size : page * size]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    github: FakeGitHub

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        self._answer()

    def do_POST(self):
        self._answer()

    def do_PATCH(self):
        self._answer()

    def _answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        self.github.tokens.add(self.headers.get("Authorization", ""))
        refusal = self.github.always
        if self.command != "GET":
            self.github.written.append(f"{self.command} {self.path}")
            refusal = refusal or (self.github.refusals.pop(0) if self.github.refusals else None)
        self._send(*(refusal or (200, {}, self._done(body))))

    def _done(self, body):
        url = urlsplit(self.path)
        rest = url.path.removeprefix(f"/repos/{REPOSITORY}/issues").strip("/").split("/")
        if self.command == "GET":
            return self.github.listed(parse_qs(url.query))
        if rest == [""]:
            return self.github.made(body)
        issue = self.github.issue(int(rest[0]))
        if rest[1:] == ["comments"]:
            self.github.comments.append((issue["number"], body["body"]))
        else:
            issue.update(body)
        return issue

    def _send(self, status, headers, data):
        content = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextlib.contextmanager
def serving():
    """Run it on a free port of localhost."""
    github = FakeGitHub()
    handler = type("Handler", (_Handler,), {"github": github})
    with listening(handler) as github.url:
        yield github
