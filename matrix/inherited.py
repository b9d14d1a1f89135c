"""
What a process that the sweep starts gets of its environment: nothing that looks like a credential.

A defence in depth and no promise: a process of the same user finds other ways to what the sweep
knows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

# By their names, as parts of words: GITHUB_TOKEN, PGPASSWORD. TOKENIZERS_PARALLELISM is none.
_NAMED = re.compile(
    r"TOKEN(?!I[SZ])|SECRET|PASSW|PASSPHRASE|CREDENTIAL|COOKIE|AUTH(?!OR)|API_?KEY|PRIVATE_?KEY|_PWD\Z"
    r"|(?<![A-Z])(?:KEYS?|PASS|PAT|NETRC)(?![A-Z])"
    # What is of no use without one, leads to one, or says a part of one.
    r"|^(?:ACTIONS|AWS|GIT_CONFIG|UV_PUBLISH)_|^(?:DOCKER_CONFIG|KUBECONFIG|UV_INDEX_\w+_USERNAME)$"
    # Files by which a step of a workflow tells the next ones what to run.
    r"|^GITHUB_(?:ENV|OUTPUT|PATH|STATE|STEP_SUMMARY)$",
    re.IGNORECASE,
)
# In an address: a name with a password, or a token, which stands where a name would.
_LOGIN = re.compile(r"://[^\s/@:]*:[^\s/@]+@|https?://[^\s/@]+@", re.IGNORECASE)
# What uv needs to reach an index, and its git a repository; builds that uv starts see these too.
_OF_UV = re.compile(
    r"UV_(?!PUBLISH_|GITHUB_TOKEN\Z)\w+|(?:ALL|HTTPS?)_PROXY|NETRC|GIT_CONFIG_\w+|SSH_AUTH_SOCK",
    re.IGNORECASE,
)
# What a Python needs to start.
_OF_PYTHON = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR")


def without_credentials(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what any process gets, a cell's among them: checkpoints are fetched before it."""
    return {name: value for name, value in environ.items() if not _is_credential(name, value)}


def for_uv(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what uv gets: the same, with the logins of package indexes and of git."""
    own = {name: value for name, value in environ.items() if _OF_UV.fullmatch(name)}
    return {**without_credentials(environ), **own}


def for_plugins(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what a process gets that only looks at a project's plugins: where programs lie."""
    return {name: environ[name] for name in _OF_PYTHON if name in environ}


def _is_credential(name: str, value: str) -> bool:
    return bool(_NAMED.search(name) or _LOGIN.search(value))
