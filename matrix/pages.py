"""The pages of the package index as uv would find them now, each known by a digest."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import defaultdict
from datetime import datetime, timedelta

import requests

TIMEOUT = 60.0
CURRENT = timedelta(minutes=15)
ACCEPT = {"Accept": "application/vnd.pypi.simple.v1+json, text/html;q=0.1"}
UPLOADED = re.compile(rb'upload-time"?\s*[:=]\s*"([^"]+)"')


class Pages:
    """
    The pages of an index, each asked for once.

    A page with a file of after ``frozen_at`` has no digest, nor has one with a file of just before:
    it says more than uv may know, which takes a page for current for ten minutes.
    """

    def __init__(self, url: str, frozen_at: datetime) -> None:
        self.url = url
        self._settled = frozen_at - CURRENT
        self._session = requests.Session()
        self._digests: dict[str, str] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def digest(self, project: str) -> str:
        """Return the digest of a project's page; empty where it can't be known."""
        with self._locks[project]:
            if project not in self._digests:
                self._digests[project] = self._asked(project)
            return self._digests[project]

    def _asked(self, project: str) -> str:
        url = f"{self.url.rstrip('/')}/{project}/"
        try:
            response = self._session.get(url, headers=ACCEPT, timeout=TIMEOUT)
            if response.status_code == requests.codes.not_found:
                return "none"  # uv goes on without it, and so it is an answer.
            response.raise_for_status()
        except requests.RequestException:
            return ""
        late = any(self._is_late(found) for found in set(UPLOADED.findall(response.content)))
        return "" if late else hashlib.sha256(response.content).hexdigest()

    def _is_late(self, uploaded: bytes) -> bool:
        try:
            return datetime.fromisoformat(uploaded.decode()) > self._settled
        except (ValueError, TypeError):
            return True  # Of a time that can't be compared, nobody knows.
