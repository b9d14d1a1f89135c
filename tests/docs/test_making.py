"""Where the documents are built to, and what is never deleted for it."""

from __future__ import annotations

import pytest
from making import asked, keep


def refusal(*words):
    with pytest.raises(SystemExit) as caught:
        asked(words)
    return str(caught.value)


def test_a_folder_that_is_not_there_is_taken(tmp_path):
    assert asked([str(tmp_path / "new")]) == tmp_path / "new"


def test_without_a_folder_or_with_external_none_is_kept():
    assert asked([]) is None
    assert asked(["--external"]) is None


def test_a_folder_that_holds_no_built_documents_is_refused(tmp_path):
    (tmp_path / "index.md").write_text("mine")
    assert refusal(str(tmp_path)) == (
        f"nox -s docs: {tmp_path} exists and holds no built documents; name another folder"
    )


def test_a_mistyped_option_is_no_folder():
    sentence = "nox -s docs: '--externl' is no option; there is --external alone"
    assert refusal("--externl") == sentence
    assert refusal("public", "--externl") == sentence


def test_more_than_one_word_is_refused():
    assert refusal("a", "b") == "nox -s docs: name one folder, or --external, and not a b"


def test_built_documents_take_the_place_of_older_ones(tmp_path):
    built, kept = tmp_path / "built", tmp_path / "kept"
    for folder, page in ((built, "new.html"), (kept, "old.html")):
        (folder / "how-to").mkdir(parents=True)
        (folder / "objects.inv").touch()
        (folder / "how-to" / page).touch()
    (kept / ".git").mkdir()
    keep(built, asked([str(kept)]))
    assert sorted(path.name for path in kept.rglob("*")) == [
        *(".git", "how-to", "new.html", "objects.inv")
    ]
