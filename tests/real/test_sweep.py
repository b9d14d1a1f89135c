"""A narrow sweep over real environments, and what its records say."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from playwright.sync_api import expect, sync_playwright

from matrix.causes import inlined
from matrix.speed.turns import TURNS
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.diagnosis.failure import STOPPED
from pytest_torchcompat.outcome import Outcome
from pytest_torchcompat.record import FORWARD, Record

ROOT = Path(__file__).parents[2]
LIBRARIES = ("fairseq", "ultralytics==8.1.0", "torchaudio")
OLDEST = "2.5.1"


def matrix(*arguments):
    command = [sys.executable, "-m", "matrix", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def newest():
    """The newest torch of the index, so that no test is about a version that was once."""
    plan = json.loads(matrix("plan", "--library", "torchaudio", "--json").stdout)
    return [version for version in plan["torch"] if "dev" not in version][-1]


@pytest.fixture(scope="session")
def run(tmp_path_factory, newest):
    """The folder of a finished run."""
    runs = tmp_path_factory.mktemp("runs")
    chosen = [word for library in LIBRARIES for word in ("--library", library)]
    chosen += ["--torch", OLDEST, "--torch", newest, "--edition", "replica"]
    # As long as this: what has begun is done to its end.
    done = matrix("run", "--runs", str(runs), *chosen, "--speed-minutes", "0.01")
    assert done.returncode == 0, done.stdout + done.stderr
    return next(runs.glob("*/plan.json")).parent


@pytest.fixture(scope="session")
def loaded(tmp_path_factory, found):
    """The checkpoints whose replica works in its library on the oldest torch, unaided."""
    runs = tmp_path_factory.mktemp("loaded")
    others = ("torch", "ultralytics==8.3.162", "coqui-tts==0.24.2", "pyannote.audio==3.3.2")
    libraries = (*others, "speechbrain==1.1.1")
    chosen = [word for library in libraries for word in ("--library", library)]
    chosen += ["--torch", OLDEST, "--edition", "replica", "--policy", "stock"]
    done = matrix("run", "--runs", str(runs), *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    more = json.loads((next(runs.glob("*/plan.json")).parent / "matrix.json").read_text())
    cells = [cell for cell in (*found["cells"], *more["cells"]) if cell["torch"] == OLDEST]
    checks = [check for cell in cells for check in cell["checks"]]
    working = (check for check in checks if Outcome(check["outcome"]).works)
    return {(check["checkpoint"], check["use"]) for check in working}


@pytest.fixture(scope="session")
def found(run):
    return json.loads((run / "matrix.json").read_text())


@pytest.fixture
def verdicts(found):
    """Return the records of a checkpoint's use in the cell of a torch, by policy."""

    def of(checkpoint, torch, use=FORWARD):
        cells = [cell for cell in inlined(found)["cells"] if cell["torch"] == torch]
        checks = [check for cell in cells for check in cell["checks"]]
        records = [Record.from_dict(check) for check in checks]
        subject = (checkpoint, use)
        return {record.policy: record for record in records if record.identity[:2] == subject}

    return of


def outcomes(records):
    return {policy: record.outcome.value for policy, record in records.items()}


def test_the_run_is_complete_and_of_the_form_that_its_schema_promises(run, found):
    schema = json.loads((ROOT / "matrix" / "matrix.schema.json").read_text())
    jsonschema.validate(found, schema)
    assert found["complete"] is True
    assert len(found["cells"]) == 6
    assert "<title>torch compatibility, run " in (run / "index.html").read_text("utf-8")


def test_its_page_leads_from_a_file_name_to_what_to_paste(run, newest):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not on this machine")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto((run / "index.html").as_uri())
        page.get_by_role("searchbox").fill("hubert_base.pt")
        cells = page.locator("tr.subject:visible", has_text="rvc/hubert-base").locator("td")
        cells.last.click()
        panel = page.get_by_role("dialog")
        expect(panel).to_contain_text(f"torch {newest}")
        expect(panel).to_contain_text("torch.serialization.add_safe_globals([Dictionary])")
        browser.close()


def test_beside_its_page_lie_the_badges_the_feed_and_the_summary(run):
    for name in ("changes.json", "changes.atom", "summary.md", "matrix.schema.json"):
        assert (run / name).stat().st_size > 0
    assert "torch" in (run / "badges" / "ultralytics.svg").read_text("utf-8")


def test_every_failure_of_a_real_library_is_known_and_says_what_to_do(found):
    stopped = [
        c for cell in inlined(found)["cells"] for c in cell["checks"] if c["outcome"] in STOPPED
    ]
    assert stopped
    assert [check for check in stopped if check["diagnosis"] is None] == []
    assert all(cause["known"] and cause["remedies"] for cause in found["causes"])


def test_ultralytics_works_by_default_on_the_oldest_torch(verdicts):
    assert outcomes(verdicts("ultralytics/yolov8n", OLDEST)) == {
        "stock": "pass",
        "patched": "pass",
        "allowlisted": "pass",
        "strict": "refused",
    }


def test_on_the_newest_torch_it_fails_at_load_and_names_the_class(verdicts, newest):
    records = verdicts("ultralytics/yolov8n", newest)
    assert outcomes(records) == {
        "stock": "fail",
        "patched": "pass",
        "allowlisted": "pass",
        "strict": "refused",
    }
    assert records["stock"].stage.value == "load"
    assert "ultralytics.nn.tasks.DetectionModel" in records["stock"].message


def test_the_globals_of_a_real_load_are_those_of_the_catalogue(verdicts, newest):
    for checkpoint in ("ultralytics/yolov8n", "rvc/hubert-base"):
        found = set(verdicts(checkpoint, newest)["strict"].globals)
        assert found == set(catalogue().get(checkpoint).globals)


def test_fairseq_works_unaided_on_its_own_python(verdicts):
    records = verdicts("rvc/hubert-base", OLDEST)
    assert outcomes(records) == {
        "stock": "pass",
        "patched": "pass",
        "allowlisted": "pass",
        "strict": "refused",
    }
    assert {record.shims for record in records.values()} == {()}


def test_fairseq_on_the_newest_torch_needs_the_rule_of_old_dataclasses(verdicts, newest):
    records = verdicts("rvc/hubert-base", newest)
    assert outcomes(records) == {
        "stock": "fail",
        "patched": "shimmed",
        "allowlisted": "shimmed",
        "strict": "refused",
    }
    assert {record.shims for record in records.values()} == {("dataclass-defaults",)}


def test_both_models_ran_forward_compute_the_same_on_both_torches_and_are_timed_once(
    verdicts, newest
):
    for checkpoint in ("ultralytics/yolov8n", "rvc/hubert-base"):
        for records in (verdicts(checkpoint, torch) for torch in (OLDEST, newest)):
            assert records["patched"].outcome.works
            assert records["patched"].parity["relative_error"] < 1e-3
            [benchmark] = [each.benchmark for each in records.values() if each.benchmark]
            assert benchmark["median"] > 0


@pytest.mark.parametrize("checkpoint", ["ultralytics/yolov8n", "rvc/hubert-base"])
def test_forward_times_compare_with_those_of_the_oldest_torch(verdicts, newest, checkpoint):
    assert all(record.speed is None for record in verdicts(checkpoint, OLDEST).values())
    [speed] = [each.speed for each in verdicts(checkpoint, newest).values() if each.speed]
    assert speed["torch"] == OLDEST
    assert speed["ratio"] > 0
    # What differed was run again, or there was no time for it.
    assert (speed["verdict"] in ("slower", "faster")) <= (speed["runs"] == TURNS)


@pytest.mark.parametrize("checkpoint", ["ultralytics/yolov8n", "rvc/hubert-base"])
def test_loads_are_timed_under_each_policy_that_loads_and_beside_it_plain_and_mapped(
    verdicts, newest, checkpoint
):
    for record in verdicts(checkpoint, newest).values():
        if record.outcome.works and record.policy != "stock":
            loading = record.loading
            assert loading["remarks"] == []
            assert min(loading[way]["median"] for way in ("policy", "plain", "mmap")) > 0
        else:
            assert record.loading is None


def test_the_legacy_api_of_torchaudio_is_there_and_then_a_shim_restores_it(verdicts, newest):
    for subject in (("torchaudio/legacy-api",), ("torchaudio/wav", "info")):
        checkpoint, *use = subject
        there = verdicts(checkpoint, OLDEST, *use)["stock"]
        restored = verdicts(checkpoint, newest, *use)["stock"]
        assert there.outcome.value == "pass"
        assert restored.outcome.value == "shimmed"
        assert "torchaudio-legacy" in restored.shims
        assert restored.parity["relative_error"] < 1e-6


@pytest.mark.parametrize(
    ("checkpoint", "use", "shim"),
    [
        ("fairseq/hubert-float-config", FORWARD, "omegaconf-integers"),
        ("fairseq/hubert-pos-conv-dim0", FORWARD, "pos-conv-weight-norm"),
        ("fairseq/hubert-pos-conv-parametrized", FORWARD, "pos-conv-weight-norm"),
        ("fairseq/hubert-base-ls960", "masking", "numpy-aliases"),
    ],
)
def test_what_a_file_or_a_use_needs_is_named_and_no_more(verdicts, newest, checkpoint, use, shim):
    on_oldest = verdicts(checkpoint, OLDEST, use)["stock"]
    on_newest = verdicts(checkpoint, newest, use)["allowlisted"]
    assert (on_oldest.outcome.value, on_oldest.shims) == ("shimmed", (shim,))
    assert on_newest.outcome.value == "shimmed"
    assert set(on_newest.shims) == {"dataclass-defaults", shim}


def test_a_model_with_random_weights_in_one_layer_is_degraded_with_its_drift(verdicts, newest):
    for torch in (OLDEST, newest):
        record = verdicts("rvc/hubert-base", torch, "random-pos-conv")["patched"]
        assert record.experiment
        assert record.outcome.value == "degraded"
        assert record.parity["relative_error"] > 0.1
        assert record.parity["cosine"] < 0.99


def test_claims_have_the_verdict_that_the_cells_give(found):
    verdicts = {claim["id"]: claim["verdict"] for claim in found["claims"]}
    assert verdicts["fairseq-no-allow-list"] == "refuted"
    assert verdicts["fairseq-small-allow-list"] == "holds"
    assert verdicts["random-pos-conv"] == "refuted"
    assert verdicts["pyannote-four-globals"] == "untested"


def test_a_shim_that_a_cell_needs_is_not_retired(found):
    shims = {shim["name"]: shim for shim in found["shims"]}
    for name in ("dataclass-defaults", "torchaudio-cuda", "torchaudio-legacy", "numpy-aliases"):
        assert shims[name]["needed_by"]
        assert shims[name]["retired"] is False


def test_a_wav_is_read_and_resampled_on_both(verdicts, newest):
    for torch in (OLDEST, newest):
        assert verdicts("torchaudio/wav", torch)["stock"].outcome.works


def test_each_cell_lists_what_was_installed_and_for_which_gpus_torch_was_built(found):
    for cell in found["cells"]:
        assert cell["distributions"]["torch"].startswith(cell["torch"])
        assert cell["torch_build"].startswith(cell["torch"])
        assert cell["python"]


def test_each_replica_works_in_its_library_in_every_use(loaded):
    uses = {(row.id, use) for row in catalogue() for use in (FORWARD, *(u.name for u in row.uses))}
    assert uses - loaded == {("rvc/hubert-base", "random-pos-conv")}  # which degrades on purpose
