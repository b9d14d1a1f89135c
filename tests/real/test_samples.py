"""Three applications of others, with their mistakes, beside the built wheel."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[1] / "samples"
NAMES = ("rvc_like", "textless_like", "yolo_like")
_OUTCOME = re.compile(r"^tests/\w+\.py::(\S+) (PASSED|FAILED|ERROR)", re.MULTILINE)
PLANTED = re.compile(r"planted(?P<below> below)?: (?P<codes>TC\d+(?:, TC\d+)*)")
POLICIES = "strict,allowlisted"


@dataclass(frozen=True)
class Ran:
    """A sample that was copied and run: where, and what pytest said."""

    folder: Path
    python: Path
    said: str

    @property
    def outcomes(self):
        """Return what became of each test, by its name and policy."""
        return dict(_OUTCOME.findall(self.said))

    def report_of(self, test):
        """Return what our plugin says below the traceback of a test that failed."""
        _, _, rest = self.said.partition(f"_ {test} _")
        _, _, rest = rest.partition("- torchcompat -")
        return re.split(r"^[-_=]{3}", rest.partition("\n")[2], maxsplit=1, flags=re.MULTILINE)[0]

    def remedy_of(self, test):
        """Return the code of the first remedy of a test's report."""
        lines = self.report_of(test).splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith("- "))
        code = itertools.takewhile(lambda line: line.startswith("    "), lines[first + 1 :])
        return textwrap.dedent("\n".join(code))

    def printed_by(self, test, stream):
        """Return what the application itself printed in a test that failed."""
        _, _, rest = self.said.partition(f"_ {test} _")
        _, _, rest = rest.partition(f"- Captured {stream} call -")
        return re.split(r"^[-_=]{5}", rest.partition("\n")[2], maxsplit=1, flags=re.MULTILINE)[0]

    def torchcompat(self, *words):
        """Run our command as it was installed beside the application."""
        return _run(self.python.with_name("torchcompat"), self.folder, *words)


def _run(program, folder, *words):
    home = {"HOME": str(folder), "YOLO_CONFIG_DIR": str(folder), "YOLO_OFFLINE": "true"}
    path = os.pathsep.join([str(Path(program).parent), os.defpath])
    return subprocess.run(
        [str(program), *map(str, words)],
        cwd=folder,
        env={"PATH": path, "OMP_NUM_THREADS": "1", **home},
        capture_output=True,
        text=True,
        check=False,
    )


def _pytest(python, folder, policies):
    words = ("-m", "pytest", "-v", "-p", "no:cacheprovider", "--continue-on-collection-errors")
    done = _run(python, folder, *words, f"--torchcompat-policy={policies}")
    return Ran(folder, python, done.stdout + done.stderr)


def _copied(name, folder):
    return shutil.copytree(
        SAMPLES / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
    )


@pytest.fixture(scope="module")
def pythons(speech, detector):
    return {"rvc_like": speech, "textless_like": speech, "yolo_like": detector}


@pytest.fixture(scope="module")
def ran(pythons, tmp_path_factory):
    """Each sample as it is, under two policies; two at a time."""
    folder = tmp_path_factory.mktemp("samples")

    def run(name):
        return _pytest(pythons[name], _copied(name, folder), POLICIES)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(NAMES, pool.map(run, NAMES)))


def planted(name) -> Iterator[tuple[str, int, str]]:
    """Yield the mistakes of a sample: file, line and rule."""
    for path in sorted((SAMPLES / name).rglob("*")):
        if not path.is_file() or path.suffix == ".pyc":
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = PLANTED.search(line)
            for code in found["codes"].split(", ") if found else ():
                place = number + 1 if found["below"] else number
                yield path.relative_to(SAMPLES / name).as_posix(), place, code


def audited(ran, *words):
    done = ran.torchcompat("audit", ".", *words)
    assert (done.returncode, done.stderr) == (1, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", NAMES)
def test_an_audit_finds_each_planted_mistake_at_its_line_and_nothing_else(ran, name):
    findings = audited(ran[name], "--json")["findings"]
    found = sorted((each["path"], each["line"], each["code"]) for each in findings)
    assert found == sorted(planted(name))
    assert found


def test_the_same_is_there_for_code_scanning(ran):
    (run,) = audited(ran["yolo_like"], "--sarif")["runs"]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    found = [
        (place["artifactLocation"]["uri"], place["region"]["startLine"], result["ruleId"])
        for place, result in zip(places, run["results"])
    ]
    assert sorted(found) == sorted(planted("yolo_like"))


def test_an_audit_says_that_a_patch_overrides_what_its_callers_chose(ran):
    said = ran["yolo_like"].torchcompat("audit", "detect/__init__.py").stdout
    assert "It passes weights_only=False whatever its caller chose." in said


EXPECTED = {
    "rvc_like": {
        "test_the_pitch_has_weights": ("PASSED", "PASSED"),
        "test_half_a_second_has_24_features": ("FAILED", "PASSED"),
        "test_features_are_finite": ("FAILED", "PASSED"),
        "test_a_voice_tells_its_rate": ("FAILED", "PASSED"),
    },
    "textless_like": {
        "test_half_a_second_has_24_features": ("FAILED", "FAILED"),
        "test_each_row_has_a_unit": ("FAILED", "FAILED"),
    },
    "yolo_like": {
        "test_a_black_picture_has_boxes": ("FAILED", "PASSED"),
        "test_the_tracker_knows_three_boxes": ("FAILED", "PASSED"),
        "test_the_tracker_is_this_applications_own": ("FAILED", "PASSED"),
        "test_colours_are_plain_tensors": ("PASSED", "PASSED"),
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_each_test_runs_under_both_policies_and_each_refusal_fails_its_own(ran, name):
    expected = {
        f"{test}[{policy}]": outcome
        for test, outcomes in EXPECTED[name].items()
        for policy, outcome in zip(POLICIES.split(","), outcomes)
    }
    assert ran[name].outcomes == expected


# What stands in the summary, line by line, in this order.
SITES = {
    "rvc_like": """
= torch.load under allowlisted =
voice/pitch.py:8   assets/rmvpe.pt   ok
voice/features.py:14 -> fairseq/checkpoint_utils.py:315   assets/hubert_base.pt   ok
voice/synthesizer.py:8   assets/voice.pth   ok
    its explicit weights_only=False was overridden
4 sites: 4 pass allowlisted. None of them was loaded with weights_only=False.
= torch.load under strict =
voice/features.py:14 -> fairseq/checkpoint_utils.py:315   assets/hubert_base.pt
    refused: fairseq.data.dictionary.Dictionary      passes under allowlisted
voice/synthesizer.py:8   assets/voice.pth
    its explicit weights_only=False was overridden
    refused: voice.settings.Settings      passes under allowlisted
4 sites: 2 pass strict, 2 refused. None of them was loaded with weights_only=False.
= known failures =
1 x wo-global-2.7: The file names voice.settings.Settings,
= failures after a caught load =
2 x may be wo-fairseq-dictionary:
""",
    "textless_like": """
= torch.load under allowlisted =
units/features.py:11 -> fairseq/checkpoint_utils.py:315   assets/mhubert.pt
    fail: AttributeError: 'str' object has no attribute '__module__'
= torch.load under strict =
    refused: fairseq.data.dictionary.Dictionary      next: torchcompat allowlist assets/mhubert.pt
units/quantizer.py:20   assets/kmeans.pt
    fail: AttributeError: 'str' object has no attribute '__module__'
2 sites: 0 pass strict, 1 refused, 1 fail. None of them was loaded with weights_only=False.
= known failures =
3 x safe-globals-string: A name was allowed as a string
1 x ta-attr: torchaudio 2.9 removed set_audio_backend
    tests/test_sound.py
""",
    "yolo_like": """
= torch.load under allowlisted =
yolo-like/tracker (local) under allowlisted: pass
detect/detector.py:13 -> detect/__init__.py:6   assets/yolov8n.pt   ok
    its explicit weights_only=False was overridden
detect/tracker.py:16 -> detect/__init__.py:6   assets/tracker.pt = yolo-like/tracker (local)   ok
3 sites: 3 pass allowlisted. None of them was loaded with weights_only=False.
= torch.load under strict =
yolo-like/tracker (local) under strict: refused at load: torch refuses detect.tracker.Tracker
detect/tracker.py:18 -> detect/__init__.py:6   assets/tracker.pt
    refused: detect.tracker.Tracker      passes under allowlisted
4 sites: 1 pass strict, 3 refused. None of them was loaded with weights_only=False.
= failures after a caught load =
1 x may be wo-yolo: The file is a whole pickled model of ultralytics
""",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_tells_each_site_what_became_of_it_and_what_is_known(ran, name):
    rest = ran[name].said
    for line in SITES[name].strip("\n").splitlines():
        _, found, rest = rest.partition(line)
        assert found, f"{line!r} is not in what follows:\n{ran[name].said}"


@pytest.mark.parametrize(
    ("name", "test", "place", "known"),
    [
        (
            "rvc_like",
            "test_half_a_second_has_24_features[strict]",
            "voice/features.py:14 -> fairseq/checkpoint_utils.py:315   assets/hubert_base.pt",
            "wo-fairseq-dictionary",
        ),
        (
            "rvc_like",
            "test_features_are_finite[strict]",
            "voice/features.py:14 -> fairseq/checkpoint_utils.py:315   assets/hubert_base.pt",
            "wo-fairseq-dictionary",
        ),
        (
            "yolo_like",
            "test_a_black_picture_has_boxes[strict]",
            "detect/detector.py:13 -> detect/__init__.py:6   assets/yolov8n.pt",
            "wo-yolo",
        ),
    ],
)
def test_what_fails_three_calls_after_a_swallowed_load_is_laid_on_the_load(
    ran, name, test, place, known
):
    before, where, error, signature, *_ = ran[name].report_of(test).splitlines()
    assert before == "Before this a load failed and its error was caught, which may be why:"
    assert where == place
    assert error.startswith("    UnpicklingError: Weights only load failed.")
    assert signature == f"known: {known}"
    assert "add_safe_globals" in ran[name].remedy_of(test)


def entry_point(folder):
    """Return the application's own first module."""
    return next(path for path in folder.glob("*/__init__.py"))


def pasted(sample, *tests):
    """Paste the first remedy of each of these into the application's entry point."""
    file = entry_point(sample.folder)
    code = "\n".join(dict.fromkeys(sample.remedy_of(test) for test in tests))
    file.write_text(f"{file.read_text()}\n{code}\n")


def printed(sample, command):
    """Return what one of our commands prints, as a report says it."""
    program, *words = shlex.split(command)
    assert program == "torchcompat"
    done = sample.torchcompat(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def mended(sample):
    """Apply what the reports of a sample say to it, as they say it."""
    if sample.folder.name == "rvc_like":
        names = ("test_half_a_second_has_24_features", "test_a_voice_tells_its_rate")
        pasted(sample, *(f"{name}[strict]" for name in names))
    elif sample.folder.name == "yolo_like":
        names = ("test_a_black_picture_has_boxes", "test_the_tracker_knows_three_boxes")
        pasted(sample, *(f"{name}[strict]" for name in names))
    else:
        pasted(sample, "test_half_a_second_has_24_features[strict]")
        shim = printed(sample, sample.remedy_of("ERROR collecting tests/test_sound.py"))
        sound = sample.folder / "units" / "sound.py"
        sound.write_text(f"{shim}\n{sound.read_text()}")
        right = printed(sample, sample.remedy_of("test_each_row_has_a_unit[strict]"))
        quantizer = sample.folder / "units" / "quantizer.py"
        wrong = next(each for each in quantizer.read_text().splitlines() if "planted" in each)
        right = textwrap.indent(right, "    ")
        quantizer.write_text(quantizer.read_text().replace(f"{wrong}\n", right))


@pytest.fixture(scope="module")
def green(ran, tmp_path_factory):
    """Each sample with its remedies applied, under three policies."""
    folder = tmp_path_factory.mktemp("mended")

    def run(name):
        sample = replace(ran[name], folder=shutil.copytree(ran[name].folder, folder / name))
        mended(sample)
        return _pytest(sample.python, sample.folder, f"stock,{POLICIES}")

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(NAMES, pool.map(run, NAMES)))


@pytest.mark.parametrize("name", NAMES)
def test_the_remedies_as_they_are_printed_make_the_sample_green(green, name):
    assert set(green[name].outcomes.values()) == {"PASSED"}, green[name].said
    tests = {test.partition("[")[0] for test in green[name].outcomes}
    assert tests >= set(EXPECTED[name])
    assert len(green[name].outcomes) == 3 * len(tests)
    assert "0 refused" not in green[name].said
    assert not re.search(r"\d+ (refused|fail)", green[name].said)


@pytest.mark.parametrize(
    ("name", "test", "stream", "known"),
    [
        ("rvc_like", "test_half_a_second_has_24_features", "stderr", "wo-fairseq-dictionary"),
        ("yolo_like", "test_a_black_picture_has_boxes", "stdout", "wo-yolo"),
    ],
)
def test_what_the_application_prints_of_its_swallowed_error_is_explained(
    ran, name, test, stream, known
):
    sample = ran[name]
    (sample.folder / "printed.txt").write_text(sample.printed_by(f"{test}[strict]", stream))
    done = sample.torchcompat("explain", "--here", "printed.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"known: {known}" in done.stdout
    assert "add_safe_globals" in done.stdout


def test_a_message_that_was_printed_is_explained_beside_the_error_that_came_of_it(ran):
    sample = ran["yolo_like"]
    test = "test_a_black_picture_has_boxes[strict]"
    later = 'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    a()\n'
    text = f"{sample.printed_by(test, 'stdout')}{later}TypeError: 'NoneType' object is not callable"
    (sample.folder / "log.txt").write_text(text)
    done = sample.torchcompat("explain", "--here", "log.txt")
    assert (done.returncode, done.stderr) == (1, "")  # of the second nobody knows by itself
    assert done.stdout.index("known: wo-yolo") < done.stdout.index("TypeError: ")


SCANNED = {
    "rvc_like": {
        "hubert_base.pt": ["fairseq.data.dictionary.Dictionary"],
        "rmvpe.pt": [],
        "voice.pth": ["voice.settings.Settings"],
    },
    "textless_like": {
        "kmeans.pt": ["units.quantizer.Quantizer"],
        "mhubert.pt": ["fairseq.data.dictionary.Dictionary"],
    },
    "yolo_like": {"colours.pt": [], "tracker.pt": ["detect.tracker.Tracker"]},
}


@pytest.mark.parametrize("name", NAMES)
def test_a_scan_of_its_files_names_what_they_need(ran, name):
    files = [f"assets/{file}" for file in SCANNED[name]]
    done = ran[name].torchcompat("scan", "--json", *files)
    assert (done.returncode, done.stderr) == (0, "")
    scanned = {Path(each["path"]).name: each for each in json.loads(done.stdout)}
    for file, needs in SCANNED[name].items():
        assert scanned[file]["verdict"] == ("needs-allowlist" if needs else "safe")
        assert set(needs) <= set(scanned[file]["globals"])


def test_the_allow_list_of_a_file_is_what_its_report_said(ran):
    sample = ran["yolo_like"]
    said = sample.torchcompat("allowlist", "assets/tracker.pt").stdout
    assert sample.remedy_of("test_the_tracker_knows_three_boxes[strict]") in said


@pytest.fixture(scope="module")
def doctored(ran):
    """What doctor says of the environment of a sample, of each once."""
    names = ("textless_like", "yolo_like")
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(names, pool.map(lambda name: ran[name].torchcompat("doctor"), names)))


def test_a_doctor_says_what_becomes_of_the_loads_of_the_libraries_that_are_there(doctored):
    assert not any(done.returncode or done.stderr for done in doctored.values())
    assert "its checkpoints are refused: it leaves weights_only to torch   (wo-yolo)" in (
        doctored["yolo_like"].stdout
    )
    said = doctored["textless_like"].stdout
    assert "fairseq 0.12.2   warning: its checkpoints that hold a Dictionary are refused" in said
    assert "CVE-2026-24747 (fixed in 2.10.0)" in said
    assert "        torchcompat shims torchaudio-legacy\n" in said
