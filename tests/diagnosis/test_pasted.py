"""What people paste, and the failures that are read from it."""

from __future__ import annotations

import io
import json
import sys
import textwrap
import traceback
from pathlib import Path

import pytest

from pytest_torchcompat.diagnosis import Error, Failure, diagnose
from pytest_torchcompat.diagnosis.failure import CRASH, RESOLVER, TIMEOUT, normalised
from pytest_torchcompat.diagnosis.paste_lines import LIMIT
from pytest_torchcompat.diagnosis.pasted import narrowed, read

CHAIN = [
    Error("RuntimeError", "outer"),
    Error("ValueError", "two\n\tlines\n\nand a paragraph"),
    Error("KeyError", "'a'"),
]


def fail():
    try:
        try:
            {}["a"]
        except KeyError as error:
            raise ValueError(CHAIN[1].message) from error
    except ValueError:
        raise RuntimeError("outer")  # noqa: B904 - the context is what is tested


def printed():
    try:
        fail()
    except RuntimeError:
        return traceback.format_exc()


def errors_in(text):
    """Return the errors of the one failure in a text."""
    (failure,) = read(text).failures
    return list(failure.errors)


def line_by_line(prefix):
    return "".join(f"{prefix(n)}{line}\n" for n, line in enumerate(printed().splitlines()))


AROUND = {
    "nothing": printed(),
    "windows line ends": printed().replace("\n", "\r\n"),
    "quoting": line_by_line(lambda _: "> "),
    "quoting twice": line_by_line(lambda _: ">> "),
    "quoting whose blank lines are cut": line_by_line(lambda _: "> ").replace("> \n", ">\n"),
    "an indented block": textwrap.indent(printed(), "    "),
    "a fence and prose": f"It fails:\n\n```pytb\n{printed()}```\n\nWhat to do?\n",
    "a page's tags": f"<details>\n<pre>\n{printed()}</pre>\n</details>\n",
    "a shell": f"(venv) me@host:~$ python x.py\n{printed()}me@host:~$ \n",
    "time stamps": line_by_line(lambda n: f"2026-01-02T10:20:{n:02}.1234567Z "),
    "ranks": line_by_line(lambda _: "[rank0]: "),
    "docker": line_by_line(lambda n: f"web_{n % 3}  | "),
    "a log": (
        f"2026-01-02 10:20:30,123 - ERROR - failed\n{printed()}"
        "2026-01-02 10:20:31,000 - INFO - on\n"
    ),
    "a logger before the first line": f"2026-01-02 10:20:30 | ERROR | root | {printed()}",
    "colours": printed().replace("Error", "\x1b[1;35mError\x1b[0m").replace("File", "\x1b[31mFile"),
    "no indentation": "\n".join(line.lstrip(" ") for line in printed().splitlines()),
    "a window's title": f"\x1b]0;python\x07{printed()}",
}


@pytest.mark.parametrize("around", AROUND)
def test_a_chain_is_read_last_error_first_whatever_is_around_it(around):
    assert errors_in(AROUND[around]) == CHAIN


@pytest.mark.parametrize("width", [64, 100])
def test_a_traceback_that_rich_drew_is_read_and_its_wrapped_message_joined(width):
    console = pytest.importorskip("rich.console")
    from rich.traceback import Traceback

    sentence = "a sentence that is longer than any terminal is wide, so that it is wrapped " * 3
    out = io.StringIO()
    message = f"{sentence.strip()}\nand a line"
    try:
        raise ValueError(message)  # noqa: TRY301 - it needs a traceback
    except ValueError:
        console.Console(file=out, width=width, force_terminal=True).print(Traceback())
    assert errors_in(out.getvalue()) == [Error("ValueError", message)]


def test_a_chain_that_rich_drew_is_one_failure():
    console = pytest.importorskip("rich.console")
    from rich.traceback import Traceback

    out = io.StringIO()
    try:
        fail()
    except RuntimeError:
        console.Console(file=out, width=80).print(Traceback())
    assert [error.exception for error in errors_in(out.getvalue())] == [
        *("RuntimeError", "ValueError", "KeyError")
    ]


GROUP = """
  + Exception Group Traceback (most recent call last):
  |   File "x.py", line 24, in <module>
  |     g()
  | ExceptionGroup: top (3 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "x.py", line 3, in f
    |     {}["a"]
    | KeyError: 'a'
    |
    | During handling of the above exception, another exception occurred:
    |
    | Traceback (most recent call last):
    |   File "x.py", line 19, in g
    |     f()
    | RuntimeError: outer
    +---------------- 2 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "x.py", line 13, in g
    | ExceptionGroup: several (1 sub-exception)
    +-+---------------- 1 ----------------
      | ValueError: 1
      +------------------------------------
    +---------------- 3 ----------------
    | TypeError: two
    | lines
    +------------------------------------
"""
MEMBERS = [
    Error("ExceptionGroup", "top (3 sub-exceptions)"),
    Error("RuntimeError", "outer"),
    Error("KeyError", "'a'"),
    Error("ExceptionGroup", "several (1 sub-exception)"),
    Error("ValueError", "1"),
    Error("TypeError", "two\nlines"),
]


@pytest.mark.parametrize("prefix", ["", "> ", "[rank0]: ", "    "])
def test_each_member_of_an_exception_group_is_an_error_of_the_chain(prefix):
    text = "".join(f"{prefix}{line}\n" for line in GROUP.splitlines())
    assert errors_in(text) == MEMBERS


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 brought exception groups")
def test_a_group_that_python_printed_is_read():
    try:
        raise ExceptionGroup("top", [ValueError("1"), TypeError("two\nlines")])  # noqa: F821, TRY301
    except Exception:  # noqa: BLE001
        found = errors_in(traceback.format_exc())
    assert found == [
        *(Error("ExceptionGroup", "top (2 sub-exceptions)"), Error("ValueError", "1")),
        Error("TypeError", "two\nlines"),
    ]


PYTEST = """
=================================== FAILURES ===================================
__________________________________ test_chain __________________________________

    def fail():
        try:
>           torch.load("x.pt")

x.py:7:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

>       raise pickle.UnpicklingError(message) from None
E       _pickle.UnpicklingError: Weights only load failed.
E       \t(1) a tab
E
E       Check the documentation

/usr/lib/python3.11/site-packages/torch/serialization.py:1524: UnpicklingError

The above exception was the direct cause of the following exception:

    def test_chain():
>       fail()
E       RuntimeError: outer

x.py:16: RuntimeError
__________________________________ test_other __________________________________

    def test_other():
>       assert 1 == 2
E       assert 1 == 2

x.py:20: AssertionError
=========================== short test summary info ============================
FAILED x.py::test_chain - RuntimeError: outer
"""


def test_what_pytest_shows_is_read_from_its_lines_marked_with_e():
    chain, other = read(PYTEST).failures
    assert chain.errors == (
        Error("RuntimeError", "outer"),
        Error(
            "_pickle.UnpicklingError",
            "Weights only load failed.\n\t(1) a tab\n\nCheck the documentation",
        ),
    )
    assert (chain.stage, chain.versions) == ("load", {"python": "3.11"})
    assert other.errors == (Error("AssertionError", "assert 1 == 2"),)


def test_a_module_that_pytest_could_not_import_failed_at_import():
    text = """
____________________________ ERROR collecting test_a.py ____________________________
ImportError while importing test module '/x/test_a.py'.
Hint: make sure your test modules/packages have valid Python names.
Traceback:
test_a.py:1: in <module>
    import fairseq
E   ModuleNotFoundError: No module named 'fairseq'
"""
    (failure,) = read(text).failures
    assert failure.errors == (Error("ModuleNotFoundError", "No module named 'fairseq'"),)
    assert failure.stage == "import"


FRAME = '  File "/x/{}", line 3, in {}\n    {}\n'


def trace(*frames):
    return "Traceback (most recent call last):\n" + "".join(FRAME.format(*each) for each in frames)


STAGES = {
    "load": trace(
        ("main.py", "<module>", "load()"),
        ("site-packages/torch/serialization.py", "load", "raise"),
    ),
    "import": trace(
        ("main.py", "<module>", "import torchaudio"),
        ("site-packages/torchaudio/__init__.py", "<module>", "_load_lib()"),
        ("site-packages/torch/_ops.py", "load_library", "ctypes.CDLL(path)"),
    ),
    "": trace(("main.py", "<module>", "run()"), ("main.py", "run", "model(x)")),
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_frames_tell_the_stage(stage):
    (failure,) = read(f"{STAGES[stage]}OSError: broken").failures
    assert failure.stage == stage


def test_an_import_as_the_deepest_frame_is_of_that_stage():
    text = trace(("main.py", "run", "from fairseq import tasks")) + "ImportError: no"
    assert read(text).failures[0].stage == "import"


def test_a_last_line_alone_is_an_error():
    text = (
        "2026-01-02 10:20:30 ERROR x UnpicklingError: Weights only load failed. This file\n\tmore"
    )
    message = "Weights only load failed. This file\n\tmore"
    assert errors_in(text) == [Error("UnpicklingError", message)]


def test_lines_alone_are_not_read_beside_a_traceback():
    assert errors_in(f"OSError: early\n{printed()}") == CHAIN


def test_two_tracebacks_that_nothing_links_are_two_failures():
    found = read(f"{printed()}\n\nTraceback (most recent call last):\nOSError: other\n").failures
    assert [failure.errors[0].exception for failure in found] == ["RuntimeError", "OSError"]


def test_one_failure_that_is_pasted_twice_is_told_once():
    assert errors_in(printed() * 2) == CHAIN


def test_prose_behind_a_blank_line_is_left_out_of_a_narrowed_failure():
    (failure,) = read(f"{trace()}EOFError: Ran out of input\n\nPlease help\n").failures
    assert failure.errors[0].message == "Ran out of input\n\nPlease help"
    assert narrowed(failure).errors[0].message == "Ran out of input"


def test_a_traceback_in_a_message_belongs_to_it():
    message = (
        "Could not load libtorchcodec. Likely causes:\n"
        "[start of libtorchcodec loading traceback]\n"
        'Traceback (most recent call last):\n  File "x", line 3\nOSError: libavutil.so\n'
        "[end of libtorchcodec loading traceback]."
    )
    assert errors_in(f"{trace()}RuntimeError: {message}\n") == [Error("RuntimeError", message)]


def test_a_traceback_without_its_last_line_is_cut():
    text = trace(("main.py", "<module>", "run()"))
    assert (read(text).failures, read(text).cut) == ((), True)
    assert read(text + "\nplease help me, it says this: nothing\n").cut
    assert not read(printed()).cut


def test_a_warning_is_a_failure_of_its_own():
    text = "/x/a.py:10: UserWarning: torchaudio.io is deprecated\n  warnings.warn(\n"
    assert errors_in(text) == [Error("UserWarning", "torchaudio.io is deprecated")]


PIP = """
Collecting fairseq
  error: subprocess-exited-with-error

  \u00d7 Getting requirements to build wheel did not run successfully.
  \u2502 exit code: 1
  \u2570\u2500> [4 lines of output]
      Traceback (most recent call last):
        File "<string>", line 2, in <module>
      ModuleNotFoundError: No module named 'torch'
      [end of output]
"""
UV = """
  \u00d7 No solution found when resolving dependencies:
  \u2570\u2500\u25b6 Because fairseq==0.12.2 depends on omegaconf<2.1
"""


def test_the_words_of_an_installer_are_one_failure_with_what_was_raised_in_it():
    (failure,) = read(PIP).failures
    first, second = failure.errors
    assert first.exception == RESOLVER
    assert "error: subprocess-exited-with-error" in first.message
    assert second.exception == "ModuleNotFoundError"
    assert failure.stage == "resolve"


def test_versions_in_the_words_of_an_installer_are_not_those_installed():
    pasted = read(UV)
    assert [error.exception for error in pasted.failures[0].errors] == [RESOLVER]
    assert pasted.versions == {}


@pytest.mark.parametrize(
    ("line", "signal"),
    [
        ("Segmentation fault (core dumped)", "SIGSEGV"),
        ("./run.sh: line 3: 12345 Killed                  python x.py", "SIGKILL"),
        ("Killed", "SIGKILL"),
        ("zsh: segmentation fault  python3 x.py", "SIGSEGV"),
        ("Fatal Python error: Segmentation fault", "SIGSEGV"),
        ("Process finished with exit code 137 (interrupted by signal 9: SIGKILL)", "SIGKILL"),
        ("Process finished with exit code -1073741819 (0xC0000005)", "SIGSEGV"),
        ("Aborted (core dumped)", "SIGABRT"),
        ("Illegal instruction (core dumped)", "SIGILL"),
    ],
)
def test_a_process_that_died_is_a_crash_with_its_last_output(line, signal):
    (error,) = errors_in(f"loading model\n{line}\n")
    assert error.exception == CRASH
    assert error.message.startswith(f"the process died: signal {signal}")
    assert error.message.endswith(f"loading model\n{line}")


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        ("torch==2.6.0+cu124\nnumpy==1.26.4", {"torch": "2.6.0+cu124", "numpy": "1.26.4"}),
        ("torch              2.6.0\nTTS   0.22.0", {"torch": "2.6.0", "tts": "0.22.0"}),
        ("I have torch 2.6.0, and it fails.", {"torch": "2.6.0"}),
        ("PyTorch version: 2.6.0+cu124", {"torch": "2.6.0+cu124"}),
        ("- PyTorch version (GPU?): 2.6.0 (True)", {"torch": "2.6.0"}),
        ("- PyTorch Version (e.g., 1.0): 1.13.1", {"torch": "1.13.1"}),
        ("[pip3] torch==2.6.0\n[conda] numpy 1.26.4 pypi_0 pypi", None),
        ("Python 3.11.7 (main, Dec  8 2023) [GCC 12.2.0] on linux", {"python": "3.11.7"}),
        ('  File "/x/lib/python3.10/site-packages/torch/a.py", line 1', {"python": "3.10"}),
        (r'File "C:\Python310\lib\site-packages\torch\a.py", line 1', {"python": "3.10"}),
        (
            "Ultralytics YOLOv8.1.0 \U0001f680 Python-3.11.7 torch-2.6.0+cu124 CUDA:0 (NVIDIA)",
            {"ultralytics": "8.1.0", "python": "3.11.7", "torch": "2.6.0+cu124"},
        ),
        (
            "ultralytics 8.1.0 Python-3.11 torch-2.6.0",
            {"ultralytics": "8.1.0", "python": "3.11", "torch": "2.6.0"},
        ),
        ("Model was trained with torch 1.10.0+cu102, yours is 2.6.0.", {"torch": "2.6.0"}),
        ("python3.10 and Python 3.10.12", {"python": "3.10.12"}),
        ("It works with torch 2.5.1. It fails with torch 2.6.0.", {}),
        ("works with torch 2.5.1\n\ntorch==2.6.0", {"torch": "2.6.0"}),
        ("(1) In PyTorch 2.6, we changed the default value of the `weights_only`", {}),
        ("torch>=2.6.0", {}),
        ("| torch | 2.6.0 |", {"torch": "2.6.0"}),
    ],
)
def test_versions_are_read_from_what_people_paste(text, versions):
    expected = {"torch": "2.6.0", "numpy": "1.26.4"} if versions is None else versions
    assert read(text).versions == expected


def test_a_version_in_an_error_is_none_of_this_environment():
    assert read(f"{trace()}RuntimeError: compiled with torch 2.5.1").versions == {}


HOSTILE = {
    "one line": "A" * 3_000_000,
    "dots": "a." * 1_500_000,
    "colons": "A: " * 1_000_000,
    "spaces": " " * 3_000_000,
    "headers": "Traceback (most recent call last):\n" * 30_000,
    "escapes": "\x1b[" * 500_000 + "\x1b]" * 500_000,
    "quotes": "> " * 1_000_000,
    "errors": "RuntimeError: x\n" * 60_000,
    "marks": "E   RuntimeError: x\n\n" * 20_000,
    "rules": "= " * 1_000_000,
    "groups": "  + Exception Group Traceback (most recent call last):\n  +-+--- 1 ---\n" * 10_000,
    "deaths": "Killed\n" * 100_000,
    "names": "python " * 300_000,
    "numbers": "1.2.3.4." * 200_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_paste_ends(text):
    assert len(read(text).failures) <= 2


def test_of_a_huge_paste_its_end_counts():
    assert errors_in("x" * (2 * LIMIT) + "\n" + printed()) == CHAIN


SAMPLES = [
    sample
    for path in sorted((Path(__file__).parent / "samples").glob("*.json"))
    for sample in json.loads(path.read_text("utf-8"))
]
IN_FRAMES = {
    "load": ("site-packages/torch/serialization.py", "load", "raise"),
    "import": ("x.py", "<module>", "import library"),
}


def pasted_of(sample):
    """Return a sample as its traceback would be pasted, with the versions in a listing."""
    errors = [f"{sample['exception']}: {sample['message']}", *sample.get("causes", ())]
    frame = IN_FRAMES.get(sample["stage"], ("x.py", "run", "run()"))
    link = "\nThe above exception was the direct cause of the following exception:\n\n"
    versions = "".join(f"{name}=={number}\n" for name, number in sample["versions"].items())
    return versions + link.join(f"{trace(frame)}{error}\n" for error in reversed(errors))


def expected_of(sample):
    errors = [Error(sample["exception"], sample["message"])]
    errors += map(Error.from_line, sample.get("causes", ()))
    versions = normalised(sample.get("versions", {}))
    return diagnose(Failure(tuple(errors), sample.get("stage", ""), versions))


def known_in(text):
    pasted = read(text)
    found = [diagnose(failure) or diagnose(narrowed(failure)) for failure in pasted.failures]
    return {diagnosis.id for diagnosis in (*found, diagnose(pasted.installer)) if diagnosis}


def can_be_pasted(sample):
    # No traceback tells that a model was being built or run, and installers and deaths have none.
    nameless = sample["exception"] in (RESOLVER, CRASH, TIMEOUT)
    return not nameless and sample.get("stage", "") in ("load", "import", "")


@pytest.mark.parametrize("quote", ["", "> "], ids=["as it is", "quoted"])
@pytest.mark.parametrize(
    "sample", list(filter(can_be_pasted, SAMPLES)), ids=lambda sample: sample["signature"]
)
def test_a_sample_is_recognised_in_a_paste(sample, quote):
    text = "".join(f"{quote}{line}\n" for line in pasted_of({"versions": {}, **sample}).split("\n"))
    assert expected_of(sample).id in known_in(text)


@pytest.mark.parametrize(
    "sample",
    [sample for sample in SAMPLES if sample["exception"] == RESOLVER],
    ids=lambda sample: sample["signature"],
)
def test_the_words_of_an_installer_are_recognised_in_a_paste(sample):
    assert expected_of(sample).id in known_in(f"$ install\n{sample['message']}\n")


# As IPython 9.18 prints it.
NOTEBOOK = """\
---------------------------------------------------------------------------
KeyError                                  Traceback (most recent call last)
File /x/site-packages/torch/serialization.py:4, in load(f, weights_only)
      3 try:
----> 4     raise KeyError("x")
      5 except KeyError as e:

KeyError: 'x'

The above exception was the direct cause of the following exception:

UnpicklingError                           Traceback (most recent call last)
Cell In[1], line 2
      1 import torch
----> 2 m = torch.load('x.pt')
      3 print(m)

File /x/site-packages/torch/serialization.py:6, in load(f, weights_only)
      5 except KeyError as e:
----> 6     raise pickle.UnpicklingError("no") from e

UnpicklingError: no
---------------------------------------------------------------------------
ModuleNotFoundError                       Traceback (most recent call last)
<ipython-input-2-0a1b2c> in <cell line: 0>()
      1 x = 1
----> 2 import broken

1 frames
/home/me/broken.py in <module>
      4 except ImportError:
      5     pass
----> 6 import not_there

ModuleNotFoundError: No module named 'not_there'
"""


def test_a_notebook_shows_the_chain_and_no_code_is_taken_for_an_error():
    found = read(NOTEBOOK)
    assert not found.cut
    assert [[each.name for each in failure.errors] for failure in found.failures] == [
        ["UnpicklingError", "KeyError"],
        ["ModuleNotFoundError"],
    ]
    assert [failure.stage for failure in found.failures] == ["load", "import"]


def test_a_notebook_that_breaks_off_is_cut_and_hides_nothing_behind_it():
    start = NOTEBOOK.partition("KeyError: 'x'")[0]
    found = read(f"{start}\nSome words\n{trace()}EOFError: Ran out of input\n")
    assert found.cut
    assert [failure.errors[0].name for failure in found.failures] == ["EOFError"]


def test_a_list_of_the_environment_is_believed_before_prose():
    listed = "- PyTorch version: 2.6.0+cu124\n- **Python**: 3.10.11\nIt worked with torch 2.5.1.\n"
    assert read(listed).versions == {"torch": "2.6.0+cu124", "python": "3.10.11"}


def test_two_lists_that_differ_leave_a_version_unknown():
    assert read("torch==2.5.1\ntorch==2.6.0\nnumpy==1.26.4\n").versions == {"numpy": "1.26.4"}
