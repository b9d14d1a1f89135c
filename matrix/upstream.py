"""The text of a report to those who can mend it, of a failure that nobody has met before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from matrix import commands
from pytest_torchcompat.diagnosis import Failure
from pytest_torchcompat.diagnosis.failure import RESOLVER
from pytest_torchcompat.display import first_line
from pytest_torchcompat.record import FORWARD

_TITLE = 110
_WORDS = 20_000  # an issue holds 65,536 characters, and the packages have to fit as well

# What is installed is named from there on; of any other absolute path only the name is left: it
# says who ran this, and on what.
_ROOT = r"(?:file://|[A-Za-z]:|~)?[\\/]"
_ABSOLUTE = re.compile(
    # A folder that is named in quotes may hold spaces, a command that is has options.
    rf"(?<=['\"]){_ROOT}(?:(?! -)[^'\"\n])*(?=['\"])"
    # A compiler's option stands before it without a space; what follows https: is no path.
    rf"|(?:(?<![\w.+@~\\/-])|(?<=\s-[IL]))(?<!:(?=//)){_ROOT}[^\s'\"`<>()]*"
)
_CREDENTIALS = re.compile(r"(?<=://)[^\s/@]{1,999}@")
# Tokens say by their first letters whose they are: Hugging Face's, GitHub's, GitLab's; and what a
# header of HTTP carries. Words of a failure hold them where a download went wrong.
_TOKENS = re.compile(
    r"\b(hf_|gh[pousr]_|github_pat_|glpat-)[A-Za-z0-9_-]{10,}|\b(Bearer )[A-Za-z0-9._~+/-]{10,}=*"
)
_INSTALLED = re.compile(r"(?:site|dist)-packages[\\/].*")


def in_public(text: str) -> str:
    """Return a text without the folders of the machine it was written on, and without secrets."""
    text = _TOKENS.sub(lambda found: f"{found[1] or found[2]}...", _CREDENTIALS.sub("", text))
    return _ABSOLUTE.sub(lambda found: _shortened(found[0]), text)


def _shortened(path: str) -> str:
    installed = _INSTALLED.search(path)
    if installed:
        return installed[0]
    *folders, name = re.split(r"[\\/]+", path.rstrip("\\/"))
    return f".../{name}" if any(folders) else path


def report(
    matrix: Mapping[str, Any],
    cell: Mapping[str, Any],
    check: Mapping[str, Any] | None,
    failure: Failure,
    works: str,
) -> str:
    """
    Return a report in Markdown, its title in the first line.

    ``works`` names the torch versions, if any, on which the same check of this library works.
    """
    said = _said(failure)
    sections = {
        "What happens": f"{_what(cell, check, failure)}\n\n{_fenced(said, 'text')}",
        "What is expected": _expected(check, works),
        "What shows it again": _again(matrix, cell, check),
        "Environment": _environment(cell, check),
    }
    body = "\n\n".join(f"### {title}\n\n{text}" for title, text in sections.items())
    return f"{_title(cell, failure, said)}\n\n{body}\n"


def _said(failure: Failure) -> str:
    """Return the full words, those of the causes behind those of what was raised in the end."""
    named = "\n\nraised from\n\n".join(
        f"{error.exception}: {error.message}" if _is_raised(error.exception) else error.message
        for error in failure.errors
    )
    text = in_public(named.strip())
    return text if len(text) <= _WORDS else f"{text[:_WORDS]}\n[...]"


def _is_raised(exception: str) -> bool:
    # The others stand for what has no exception: a process that died, an installer.
    return exception[:1].isupper() or "." in exception or exception.startswith("_")


def _title(cell: Mapping[str, Any], failure: Failure, said: str) -> str:
    about = "not installable" if _is_resolvers(failure) else "fails"
    first = first_line(said) or "without a word"
    title = f"{cell['library']} {cell['version']} {about} with torch {cell['torch']}: {first}"
    return title if len(title) <= _TITLE else f"{title[:_TITLE].rstrip()}…"


def _is_resolvers(failure: Failure) -> bool:
    return any(error.exception == RESOLVER for error in failure.errors)


def _what(cell: Mapping[str, Any], check: Mapping[str, Any] | None, failure: Failure) -> str:
    names = _names(cell)
    if _is_resolvers(failure):
        return f"{names} cannot be installed together. The installer says:"
    if check is None:
        return f"With {names}, the process ended before its work was done:"
    stage = f" at the stage `{check['stage']}`" if check["stage"] else ""
    return f"With {names}, a checkpoint {_outcome(check)}{stage}:"


def _names(cell: Mapping[str, Any]) -> str:
    beside = f" beside {cell['beside']}" if cell["beside"] else ""
    library = f"{cell['library']} {cell['version']}{beside}"
    return f"{library}, torch {cell['torch']} and Python {cell['python']}"


def _outcome(check: Mapping[str, Any]) -> str:
    words = {"crash": "ends the process", "timeout": "is not done in time"}
    return words.get(check["outcome"], "fails")


def _expected(check: Mapping[str, Any] | None, works: str) -> str:
    if check is None:
        return "The versions can be installed and imported together."
    done = "loads and runs" if check["use"] == FORWARD else f"loads, and its {check['use']} works"
    known = f", as it does with the same version of the library on torch {works}" if works else ""
    return f"The checkpoint {done}{known}."


def _again(
    matrix: Mapping[str, Any], cell: Mapping[str, Any], check: Mapping[str, Any] | None
) -> str:
    policy = check["policy"] if check else ""
    project = commands.project_in(matrix)
    command = commands.one_cell(cell["id"], matrix["edition"], policy, project)
    text = f"In a checkout of pytest-torchcompat:\n\n{_fenced(command, 'sh')}"
    if check is None:
        return text
    sha256 = f", sha256 `{check['sha256']}`" if check["sha256"] else ""
    file = f"`{check['checkpoint']}` ({check['edition']} edition{sha256})"
    return f"{text}\n\nIt loads {file} with `torch.load` under the policy `{check['policy']}`."


def _environment(cell: Mapping[str, Any], check: Mapping[str, Any] | None) -> str:
    lines = "\n".join(f"- {line}" for line in _facts(cell, check))
    packages = "\n".join(f"{name}=={version}" for name, version in cell["distributions"].items())
    if not packages:
        return lines
    folded = (
        f"<details><summary>All packages</summary>\n\n{_fenced(packages, 'text')}\n\n</details>"
    )
    return f"{lines}\n\n{folded}"


def _facts(cell: Mapping[str, Any], check: Mapping[str, Any] | None) -> Iterator[str]:
    yield f"Python {cell['python']}"
    cuda = f", CUDA {cell['cuda']}" if cell["cuda"] else ""
    yield f"torch {cell['torch_build'] or cell['torch']}{cuda}"
    yield f"{cell['library']} {cell['version']}"
    if cell["beside"]:
        yield str(cell["beside"])
    if check:
        yield f"device: {check['device']}"
    if check and check["shims"]:
        yield f"adaptations applied: {', '.join(check['shims'])}"


def _fenced(text: str, language: str) -> str:
    """Return a block of code whose fence is longer than any in the text."""
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
