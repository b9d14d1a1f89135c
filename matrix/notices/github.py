"""The issues of a repository on GitHub, as far as they are ours."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from matrix.notices.notice import Marker
from pytest_torchcompat.display import escaped
from pytest_torchcompat.errors import TorchcompatError

LABEL = "torchcompat"
API = "https://api.github.com"
TIMEOUT = 30.0
PAGE = 100
PAUSE = 1.0  # GitHub asks for a second between requests that make something
LONGEST = 200  # of what it says
FORBIDDEN, NOT_FOUND, GONE, TOO_OFTEN, BROKEN = 403, 404, 410, 429, 500
REFUSED = (401, FORBIDDEN)
NOT_PLANNED = "not_planned"
LATER = "nothing that is done is done twice: run it again later"


class GitHubError(TorchcompatError):
    """GitHub did not do what it was asked for."""


class RefusedError(GitHubError):
    """GitHub does not take what it was sent; it may take something else."""


@dataclass(frozen=True)
class Issue:
    """An issue of ours."""

    number: int
    is_open: bool
    dismissed: bool
    body: str
    marker: Marker


class _Token(requests.auth.AuthBase):
    """A header of our own: else what a netrc file says about the host would take its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass
class GitHub:
    """Reads and writes the issues of a repository, ``owner/name``."""

    repository: str
    token: str = field(default="", repr=False)
    api: str = API

    def __post_init__(self) -> None:
        self._session = requests.Session()
        self._session.auth = _Token(self.token)
        self._session.headers["Accept"] = "application/vnd.github+json"
        self._written = False

    def issues(self) -> list[Issue]:
        """Return ours, the oldest first."""
        found = [issue for page in self._pages() for issue in map(_issue, page) if issue]
        return sorted(found, key=lambda issue: issue.number)

    def _pages(self) -> Iterator[list[Mapping[str, Any]]]:
        number = 1
        while True:
            asked = {"labels": LABEL, "state": "all", "per_page": PAGE, "page": number}
            page = self._asked("GET", "", params=asked)
            if not isinstance(page, list):
                message = f"{self.api} answered with something else than a list of issues; {LATER}"
                raise GitHubError(message)
            yield page
            if len(page) < PAGE:
                return
            number += 1

    def open(self, title: str, body: str) -> int:
        """Open an issue with our label, and return its number."""
        made = self._write("POST", "", {"title": title, "body": body, "labels": [LABEL]})
        return int(made["number"])

    def change(self, number: int, **values: str) -> None:
        """Change an issue, all at once."""
        self._write("PATCH", f"/{number}", values)

    def comment(self, number: int, body: str) -> None:
        """Add a comment."""
        self._write("POST", f"/{number}/comments", {"body": body})

    def _write(self, method: str, path: str, values: Mapping[str, Any]) -> Any:
        if self._written:
            time.sleep(PAUSE)
        self._written = True
        return self._asked(method, path, json=values)

    def _asked(self, method: str, path: str, **values: Any) -> Any:
        url = f"{self.api.rstrip('/')}/repos/{self.repository}/issues{path}"
        # Where it moved to is said and not followed: the token is for this host.
        values = {"timeout": TIMEOUT, "allow_redirects": False, **values}
        try:
            answer = self._session.request(method, url, **values)
            if answer.status_code // 100 == 2:  # noqa: PLR2004
                return answer.json()
        except requests.RequestException as error:
            message = f"{self.api} can't be reached ({type(error).__name__}); {LATER}"
            raise GitHubError(message) from error
        if method != "GET" and _is_about_what_was_sent(answer.status_code):
            raise RefusedError(_fault(answer))
        raise GitHubError(_why(answer, self.repository))


def _issue(data: Mapping[str, Any]) -> Issue | None:
    """Return an issue with our marker; GitHub lists pull requests among them."""
    marker = Marker.read(data.get("body") or "")
    if marker is None or "pull_request" in data:
        return None
    dismissed = data.get("state_reason") == NOT_PLANNED
    return Issue(data["number"], data["state"] == "open", dismissed, data["body"], marker)


def _is_about_what_was_sent(status: int) -> bool:
    return FORBIDDEN < status < BROKEN and status not in (NOT_FOUND, GONE, TOO_OFTEN)


def _fault(answer: requests.Response) -> str:
    return f"GitHub answered {answer.status_code}{_said(answer)}"


def _why(answer: requests.Response, repository: str) -> str:
    """Return a sentence on an answer that is none."""
    status, said = answer.status_code, _said(answer)
    limited = "rate limit" in said.lower() or answer.headers.get("x-ratelimit-remaining") == "0"
    if status == TOO_OFTEN or (status == FORBIDDEN and limited):
        wait = answer.headers.get("retry-after", "")
        seconds = f" in {wait} s" if wait.isdigit() else " later"
        return f"GitHub was asked too often{said}; what is done is kept: run it again{seconds}"
    if status in REFUSED:
        return f"GITHUB_TOKEN may not write issues of {repository}{said}; it needs issues: write"
    if status in (NOT_FOUND, GONE) or status < FORBIDDEN:
        return f"{repository} has no issues that this token can see{said}; look at its settings"
    return f"{_fault(answer)}; {LATER if status >= BROKEN else 'nothing more was done'}"


def _said(answer: requests.Response) -> str:
    try:
        said = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return ""
    return f" ({escaped(said)[:LONGEST]})"
