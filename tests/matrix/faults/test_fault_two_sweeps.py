"""Two sweeps on one folder of runs, each with a work folder of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from matrix.store import new_run


def test_a_run_that_is_being_worked_on_is_left_alone(scene):
    cells = scene.cell_of("first", "works"), scene.cell_of("second", "works", "meets")
    started = scene.program(*cells)
    process = started.start(work="one")
    scene.meeting.wait()
    before = {
        path: path.stat().st_mtime_ns for path in scene.folder.path.rglob("*") if path.is_file()
    }
    code, output = started.run(work="other")
    assert code == 2
    sentence = f"error: another sweep is working on {scene.folder.path}; wait for it, or stop it\n"
    assert output.endswith(sentence)
    del before[scene.folder.path / "lock"]
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    scene.meeting.go_on()
    output = started.end(process)
    assert process.returncode == 0, output
    assert scene.outcomes(cells[1]) == {"works": "pass", "meets": "pass"}
    assert started.says_complete() is True
    scene.traces.assert_none(scene.folder)


def test_runs_that_begin_at_one_time_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: new_run(tmp_path, "2026-11-20T1031"), range(32)))
    assert len({folder.path for folder in made}) == 32
