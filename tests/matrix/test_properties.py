"""What holds of any merge: order does not matter, nothing is made up, nothing is lost."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from matrix.cell_files import CellFiles
from matrix.compare import document, merge
from matrix.plan import Plan, PlannedCell, PlannedCheck, Selection
from matrix.store import RunFolder, write_json
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.record import Record, append_line

TORCHES = ("2.5.1", "2.6.0", "2.10.0", "2.15.0")
LIBRARIES = (("ultralytics", "8.1.0"), ("ultralytics", "8.3.162"), ("torchaudio", "2.5.1"))
CHECKS = (
    ("ultralytics/yolov8n", "stock"),
    ("ultralytics/yolov8n", "strict"),
    ("ultralytics/yolo11n", "stock"),
)
# Half of what ends works: only then are there numbers to compare.
ENDED = [each for each in Outcome if each is not Outcome.NOT_RUN] + [Outcome.PASS] * 8
WORDS = ("", "No module named 'pkg_resources'", "nobody has met 1", "nobody has met 2")
numbers = st.sampled_from((0.0, 1.0, 1.0001, -2.5, float("nan"), float("inf")))


@st.composite
def plans(draw):
    """A plan of a few cells, each of its own library version, torch and Python."""
    names = st.tuples(
        st.sampled_from(LIBRARIES), st.sampled_from(TORCHES), st.sampled_from(("3.11", "3.12"))
    )
    cells = [planned(*each) for each in draw(st.lists(names, unique=True, max_size=6))]
    return Plan("a-run", "2026-11-20", "replica", Selection(), TORCHES, tuple(cells))


def planned(library, torch, python):
    name, version = library
    return PlannedCell(
        id=f"py{python}-torch{torch}-{name}{version}",
        python=python,
        torch=torch,
        library=name,
        version=version,
        why="a test",
        requirements=(),
        excludes=(),
        checks=tuple(PlannedCheck(*check) for check in CHECKS),
    )


@st.composite
def records(draw, check):
    """What a check left; its numbers differ, drift, or are none."""
    outcome = draw(st.sampled_from(ENDED))
    if outcome.works:
        values = {
            "fingerprint": draw(fingerprints | fingerprints | st.none()),
            "stage": Stage.FORWARD,
        }
    else:
        said = draw(st.sampled_from(WORDS))
        values = {"exception": "ImportError", "message": said, "stage": Stage.IMPORT}
    identity = {"checkpoint": check.checkpoint, "policy": check.policy}
    return Record(edition="replica", outcome=outcome, library="ultralytics", **identity, **values)


fingerprints = st.builds(
    lambda shape, norm, projection: {
        "shape": shape, "dtype": "float32", "norm": norm, "projection": projection,
    },
    shape=st.sampled_from(([1], [1, 2])), norm=numbers, projection=st.lists(numbers, max_size=3),
)  # fmt: skip


@st.composite
def runs(draw):
    """A plan, and what each of its cells left: all, a part, or nothing at all."""
    plan = draw(plans())
    return plan, [draw(left(cell)) for cell in plan.cells]


@st.composite
def left(draw, cell):
    """What a cell left; without a result it was interrupted."""
    kept = [check for check in cell.checks if draw(st.integers(0, 3))]
    kept = draw(st.permutations(kept))
    told = tuple(draw(records(check)) for check in kept)
    environment = draw(st.sampled_from(({}, {"distributions": {"torch": cell.torch}})))
    outcome = draw(st.sampled_from((None, None, "unavailable", "crash", "infra")))
    day = draw(st.integers(20, 29))
    result = {
        "outcome": outcome,
        "reason": outcome and "these can't be installed together",
        "seconds": {"run": 1.5},
        "finished": f"2026-11-{day}T10:00",
    }
    return CellFiles(cell, draw(st.sampled_from((None, result, result))), environment, told)


def text(plan, found):
    return json.dumps(document(plan, found, {}), sort_keys=False)


@given(runs(), st.randoms())
def test_a_merge_does_not_depend_on_the_order_of_what_is_found(run, chance):
    plan, found = run
    shuffled = [_shuffled(files, chance) for files in found]
    chance.shuffle(shuffled)
    assert text(plan, shuffled) == text(plan, found)


def _shuffled(files, chance):
    told = list(files.records)
    chance.shuffle(told)
    return CellFiles(files.cell, files.result, files.environment, tuple(told), files.tries)


@given(runs())
def test_a_merge_of_the_same_files_twice_is_the_same(run):
    plan, found = run
    once = text(plan, found)
    assert text(plan, found) == once
    # Found in two places, as after a copy: each counts once.
    assert text(plan, [*found, *found]) == once


@given(runs(), st.data())
def test_a_cell_without_files_is_not_run_and_the_run_not_complete(run, data):
    plan, found = run
    missing = data.draw(st.sets(st.sampled_from(range(len(found))))) if found else set()
    nothing = [
        CellFiles(files.cell, None, {}, ()) if place in missing else files
        for place, files in enumerate(found)
    ]
    matrix = document(plan, nothing, {})
    assert [cell["id"] for cell in matrix["cells"]] == [cell.id for cell in plan.cells]
    assert matrix["complete"] == all(files.result for files in nothing)
    assert bool(matrix["finished"]) == matrix["complete"]
    for place in missing:
        cell = matrix["cells"][place]
        assert (cell["outcome"], cell["reason"], cell["finished"]) == ("not-run", None, None)
        assert {check["outcome"] for check in cell["checks"]} == {"not-run"}


@given(runs())
def test_every_planned_check_is_in_the_merge_once_with_its_own_verdict(run):
    plan, found = run
    for cell, files in zip(document(plan, found, {})["cells"], found):
        merged = {
            (each["checkpoint"], each["use"], each["policy"]): each for each in cell["checks"]
        }
        assert list(merged) == [check.identity for check in files.cell.checks]
        told = {record.identity: record.outcome for record in files.records}
        for identity, check in merged.items():
            outcome = told.get(identity, Outcome.NOT_RUN)
            # A drift is the one verdict that the merge itself finds, and of what works alone.
            drifted = outcome.works and check["outcome"] == "degraded"
            assert drifted or check["outcome"] == outcome.value


@given(runs())
def test_every_failure_has_one_cause(run):
    matrix = document(*run, {})
    stopped = [
        (cell["id"], check["checkpoint"], check["policy"])
        for cell in matrix["cells"]
        for check in cell["checks"]
        if check["outcome"] in ("fail", "refused", "crash", "timeout", "unavailable")
    ]
    listed = [*matrix["causes"], *matrix["refusals"]]
    assert sum(item["checks"] for item in listed) == len(stopped)
    named = {cell for item in listed for cell in item["cells"]}
    assert {cell for cell, _, _ in stopped} <= named


@settings(max_examples=30)
@given(run=runs())
def test_what_is_merged_from_files_is_what_is_merged_from_memory(tmp_path_factory, run):
    plan, found = run
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    for files in found:
        cell = folder.cell(files.cell.id)
        for record in files.records:
            append_line(cell.checks, record.to_dict())
        if files.result:
            write_json(cell.result, files.result)
        if files.environment:
            write_json(cell.environment, files.environment)
    write_json(folder.matrix, merge(plan, folder, {}))
    first = folder.matrix.read_bytes()
    # A reader of JSON knows no number that is not finite: both are written by the one writer.
    write_json(folder.matrix, document(plan, found, {}))
    assert folder.matrix.read_bytes() == first
