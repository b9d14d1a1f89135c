"""A strict reading of HTML: what is open, closed, named and pointed at."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
POINTS = ("href", "src", "action", "formaction", "poster", "data", "srcset")
NAMES = ("popovertarget", "aria-labelledby", "aria-describedby", "for")


class ParsedPage(HTMLParser):
    """Every tag must close the one that is open; ids, references, text and tags are kept."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.points: list[str] = []
        self.names: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == [], f"left open: {self.open}"

    @property
    def text(self) -> str:
        """What a reader sees, without the style sheet and what the script reads."""
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag with its attributes."""
        found = dict(attrs)
        assert len(found) == len(attrs), f"an attribute twice in <{tag}>: {attrs}"
        self.tags.append((tag, found))
        self.ids += [found["id"]] if found.get("id") else []
        self.points += [value for name in POINTS if (value := found.get(name))]
        self.names += [value for name in NAMES if (value := found.get(name))]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that is open, and no other."""
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()} closes another tag"

    def handle_data(self, data: str) -> None:
        """Keep text that is shown."""
        if not {"script", "style"} & set(self.open):
            self.words.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each such tag."""
        return [a for name, a in self.tags if name == tag]

    def named(self, tag: str, word: str) -> list[dict[str, str | None]]:
        """Return the attributes of each such tag that has the word among its classes."""
        return [
            a for name, a in self.tags if name == tag and word in (a.get("class") or "").split()
        ]
