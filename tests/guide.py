"""
The blocks of README.md and docs/, and how a test runs those of a page.

A comment right above a block, which no reader sees, says what is to be done with it:

<!-- file: NAME -->          it is written to this file
<!-- not run: REASON -->     nobody can run it in a test, for this reason
<!-- usage -->               its lines show commands and what they are for
<!-- exits: 1 -->            its last command ends with this code; any other ends with 0
<!-- before: COMMAND -->     this is run before it
<!-- page: torch>=2.6 -->    the page's blocks are run where this is installed

Without one, ``console`` runs each line behind ``$`` and compares what is printed with what is
shown, if anything is (``...`` stands for any text), ``sh`` and ``python`` are run, and ``toml``,
``yaml`` and ``json`` have to be read. ``text`` shows what is no code. Any other block needs one.
"""

from __future__ import annotations

import doctest
import itertools
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
NOTE = re.compile(r"<!-- (file|not run|usage|exits|before|page)(?:: (.+?))? -->", re.DOTALL)
DATA = ("json", "toml", "yaml")
MARK = "\x1e"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_parser = MarkdownIt("commonmark")


@dataclass(frozen=True)
class Block:
    """A block of code, the line it begins at, and what the comments above it say."""

    page: Path
    line: int
    language: str
    text: str
    notes: dict[str, str]

    @property
    def place(self) -> str:
        """Where the block is, for whoever has to mend it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Step:
    """A command of a page, what is shown of its output (`None`: nothing), its exit code."""

    block: Block
    command: str
    shown: str | None = None
    code: int = 0


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page):
    return list(_blocks(page, page.read_text(encoding="utf-8"), 0))


def _blocks(page, text, above):
    notes = {}
    for token in _parser.parse(text):
        if token.type == "html_block":
            notes.update((kind, said or "") for kind, said in NOTE.findall(token.content))
        elif token.type in ("fence", "code_block"):
            first = token.map[0] + above + 1
            info = token.info.strip()
            directive = re.fullmatch(r"\{([\w-]+)\}(.*)", info)
            if directive and directive[1] != "code-block":
                yield from _blocks(page, token.content, first)
            else:
                language = directive[2].strip() if directive else info.partition(" ")[0]
                yield Block(page, first, language, token.content, notes)
            notes = {}
        elif token.content or token.type.endswith("_open"):
            notes = {}


def needed_by(page):
    """Return what a page says that its blocks need, such as torch>=2.6."""
    return [said for kind, said in NOTE.findall(page.read_text(encoding="utf-8")) if kind == "page"]


def steps(page):
    """Yield the commands of a page in their order."""
    for block in blocks(page):
        if "before" in block.notes:
            yield Step(block, block.notes["before"])
        if not block.notes.keys() & {"not run", "usage"}:
            yield from _steps_of(block)


def _steps_of(block):
    if "file" in block.notes:
        yield Step(block, _written(block.notes["file"], block.text))
    elif block.language == "console":
        yield from _told(block)
    elif block.language == "python":
        yield Step(block, f"python - {_heredoc(block.text)}")
    elif block.language == "sh":
        yield Step(block, block.text.rstrip("\n"))


def _written(name, text):
    folder = shlex.quote(str(Path(name).parent))
    return f"mkdir -p {folder} && cat > {shlex.quote(name)} {_heredoc(text)}"


def _heredoc(text):
    return f"<<'END_OF_BLOCK'\n{text}END_OF_BLOCK"


def _told(block):
    commands = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            commands.append((line[2:], []))
        else:
            commands[-1][1].append(line)
    last = len(commands) - 1
    for number, (command, lines) in enumerate(commands):
        shown = "\n".join(lines).strip("\n")
        code = int(block.notes.get("exits", "0")) if number == last else 0
        yield Step(block, command, shown or None, code)


def run(page, folder, environment, before=""):
    """Run the blocks of a page in one shell; the test fails at the first that differs."""
    planned = list(steps(page))
    script = "\n".join([before, *itertools.starmap(_marked, enumerate(planned))])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    told = done.stdout.decode()
    for number, step in enumerate(planned):
        found = re.search(f"{MARK}{number} (.*?){MARK}(\\d+)\n", told, flags=re.DOTALL)
        assert found, f"{step.block.place}: the shell ended before {step.command!r}\n{told}"
        _compare(step, _plain(found[1]), int(found[2]))


def _marked(number, step):
    return f"printf '\\x1e{number} '\n{step.command}\nprintf '\\x1e%d\\n' $?"


def _plain(text):
    return "\n".join(line.rstrip() for line in COLOURS.sub("", text).splitlines()).strip("\n")


def _compare(step, got, code):
    where = f"{step.block.place}: $ {step.command}"
    assert code == step.code, f"{where}\nended with {code}\n{got}"
    if step.shown is not None:
        want, got = f"{step.shown}\n", f"{got}\n"
        same = doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)
        assert same, f"{where}\nis shown to print\n{want}\nand prints\n{got}"
