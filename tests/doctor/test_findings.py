from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pytest_torchcompat import doctor
from pytest_torchcompat.diagnosis.signatures import SIGNATURES
from pytest_torchcompat.doctor import Facts, counted, findings
from pytest_torchcompat.doctor import findings_packages as packages
from pytest_torchcompat.doctor.findings_torch import CVES
from pytest_torchcompat.errors import UnknownNameError

ARCHS = {"2.5.1": ["sm_50", "sm_80", "sm_90"], "2.15.0": ["sm_75", "sm_90", "sm_120"]}


def facts(versions=(), python="3.12.1", imported=True, torch=(), modules=(), **data):
    """Facts of distributions by keyword or mapping; each that is a module was imported well."""
    versions = dict(versions)
    found = {name: {"status": "ok", "load": "torch.serialization"} for name in versions}
    found = {name.replace("-", "_"): each for name, each in found.items() if name != "pip"}
    if "torch" in found:
        found["torch"].update({"archs": ARCHS.get(versions["torch"], []), **dict(torch)})
    found.update(modules)
    base = {
        "python": python,
        "implementation": "CPython",
        "system": "linux",
        "machine": "x86_64",
        "platform": "Linux",
        "distributions": [{"name": name, "version": v} for name, v in versions.items()],
        "builds": {"torch": {"version": f"{versions.get('torch')}+cu130", "cuda": "13.0"}},
        "variables": {},
    }
    return Facts({**base, **({"modules": found} if imported else {}), **data})


def said(facts, *gpus, subject):
    """What is told of a subject: level, words and signature of each finding."""
    found = findings(facts, gpus)
    return [(f.level, f.says, f.signature) for f in found if f.subject.startswith(subject)]


@pytest.mark.parametrize(
    ("torch", "gpu", "expected"),
    [
        ("2.15.0", "RTX 5080", ("ok", "this torch has code for it", None)),
        ("2.15.0", "sm_120", ("ok", "this torch has code for it", None)),
        (
            "2.5.1",
            "RTX 5080",
            (
                "broken",
                "this torch has no code for it: it is built for sm_50 80 90",
                "cuda-no-kernel-image",
            ),
        ),
    ],
)
def test_a_gpu_that_is_asked_about_is_held_against_the_build(torch, gpu, expected):
    assert said(facts({"torch": torch}), gpu, subject="GPU") == [expected]


@pytest.mark.parametrize(
    ("torch", "gpu", "remedy"),
    [
        ("2.5.1", "RTX 5080", 'python -m pip install "torch>=2.8.0"'),
        ("2.15.0", "P100", 'python -m pip install "torch==2.6.0"'),
        ("2.15.0", "K80", ""),
    ],
)
def test_the_remedy_for_a_gpu_without_code_is_a_torch_that_has_it(torch, gpu, remedy):
    found = findings(facts({"torch": torch}), [gpu])
    [told] = [each for each in found if each.level == "broken"]

    assert [each.code for each in told.remedies] == [remedy]
    assert all(each.says for each in told.remedies)


def test_a_gpu_is_told_by_its_name_and_its_architecture():
    found = findings(facts({"torch": "2.15.0"}), ["RTX 5080", "sm_120"])

    subjects = [each.subject for each in found if each.subject.startswith("GPU")]
    assert subjects == ["GPU RTX 5080 (sm_120)", "GPU sm_120"]


def test_a_gpu_that_is_not_known_is_an_error():
    with pytest.raises(UnknownNameError, match="Did you mean 'RTX 5080'"):
        findings(facts(), ["RTX 5880"])


@pytest.mark.parametrize("raised", [{}, {"torch": {"status": "hung", "seconds": 1}}])
def test_a_gpu_cannot_be_held_against_a_torch_that_does_not_answer(raised):
    assert said(facts(modules=raised), "H100", subject="GPU") == [
        ("ok", "not known: there is no torch to ask", None)
    ]


def test_a_gpu_cannot_be_held_against_a_build_that_does_not_tell():
    assert said(facts({"torch": "2.8.0"}), "H100", subject="GPU") == [
        ("ok", "not known: nothing tells for what this torch was compiled", None)
    ]


def test_variables_that_matter_are_told_and_long_ones_cut():
    found = facts(variables={"CUDA_VISIBLE_DEVICES": "0", "LD_LIBRARY_PATH": "/a:" * 40})
    assert said(found, subject="set") == [
        ("ok", f"CUDA_VISIBLE_DEVICES=0, LD_LIBRARY_PATH={('/a:' * 40)[:80]}...", None)
    ]


DEVICE = {"name": "NVIDIA T400", "capability": "7.0"}
BROKEN_70 = ("broken", "this torch has no code for it: it is built for sm_75 90 120")


@pytest.mark.parametrize(
    ("torch", "data", "expected"),
    [
        (
            {"devices": [DEVICE], "available": True},
            {},
            BROKEN_70,
        ),
        (
            {"available": False},
            {"devices": [{**DEVICE, "capability": "9.0", "driver": "470.1"}]},
            (
                "warning",
                "this torch has code for it, and cannot reach it: is the driver recent enough?",
            ),
        ),
        (
            {"available": False},
            {
                "devices": [{**DEVICE, "capability": "9.0"}],
                "variables": {"CUDA_VISIBLE_DEVICES": ""},
            },
            ("ok", "hidden from torch by CUDA_VISIBLE_DEVICES="),
        ),
        ({}, {"devices": [DEVICE, {**DEVICE, "capability": "[N/A]"}]}, BROKEN_70),
        (
            {},
            {"devices": [DEVICE], "builds": {"torch": {"version": "2.15.0+cpu", "cuda": None}}},
            ("warning", "is not used: this torch is built for the CPU alone"),
        ),
    ],
)
def test_the_gpus_of_the_machine_are_held_against_the_build(torch, data, expected):
    found = said(facts({"torch": "2.15.0"}, torch=torch, **data), subject="your GPU NVIDIA T400")
    assert [each[:2] for each in found] == [expected]


def test_a_gpu_asked_about_is_no_use_to_a_build_for_the_cpu():
    built = {"torch": {"version": "2.15.0+cpu", "cuda": None, "hip": None}}
    found = facts({"torch": "2.15.0"}, builds=built)

    assert said(found, subject="torch")[0][1] == "built for the CPU alone"
    assert said(found, "H100", subject="GPU") == [
        ("broken", "is not used: this torch is built for the CPU alone", "cuda-not-compiled")
    ]


def test_a_build_for_rocm_is_told_as_one():
    built = {"torch": {"version": "2.15.0+rocm7.0", "cuda": None, "hip": "7.0.1"}}
    found = facts({"torch": "2.15.0"}, torch={"archs": ["gfx90a", "gfx1100"]}, builds=built)

    assert said(found, "H100", subject="torch")[0][1] == "built for ROCm 7.0.1, gfx90a gfx1100"
    assert said(found, "H100", "gfx90a", "gfx942", subject="GPU") == [
        (
            "broken",
            "is not used: this torch is built for ROCm 7.0.1, gfx90a gfx1100",
            None,
        ),
        ("ok", "this torch has code for it", None),
        (
            "broken",
            "this torch has no code for it: it is built for gfx90a gfx1100",
            "cuda-no-kernel-image",
        ),
    ]


@pytest.mark.parametrize("cuda", ["13.2", None])
def test_a_gpu_of_amd_is_told_to_need_a_build_for_rocm(cuda):
    built = {"torch": {"version": "2.15.0", "cuda": cuda, "hip": None}}
    found = findings(
        facts({"torch": "2.15.0"}, torch={"archs": ["sm_90"]}, builds=built), ["gfx90a"]
    )

    told = next(each for each in found if each.subject == "GPU gfx90a")
    assert told.says.startswith("is not used: this torch is built for")
    assert [each.says for each in told.remedies] == [
        "Install a torch that is built for ROCm and for it: PyPI has none, pytorch.org tells where."
    ]


def test_a_crash_is_told_by_what_helps_one_who_has_asked_the_doctor():
    crash = {"status": "died", "how": "signal SIGSEGV", "output": "Segmentation fault"}
    found = findings(facts({"torch": "2.15.0"}, torch=crash))

    told = next(each for each in found if each.signature == "crash-sigsegv")
    codes = [each.code for each in told.remedies]
    assert codes[0] == 'python -X faulthandler -c "import torch"'
    assert "torchcompat doctor" not in codes


@pytest.mark.parametrize(
    ("number", "said_as"), [(8902, "8.9.2"), (90100, "9.1.0"), (91002, "9.10.2")]
)
def test_the_version_of_cudnn_is_told_as_nvidia_writes_it(number, said_as):
    found = facts({"torch": "2.15.0"}, torch={"cudnn": number})
    assert said(found, subject="torch")[0][1].endswith(f"cuDNN {said_as}")


@pytest.mark.parametrize(
    ("torch", "open_cves"),
    [
        ("2.5.1", ["CVE-2025-32434", "CVE-2026-24747"]),
        ("2.6.0", ["CVE-2026-24747"]),
        ("2.9.1", ["CVE-2026-24747"]),
        ("2.10.0", []),
        ("2.16.0.dev20261118", []),
    ],
)
def test_the_open_cves_of_weights_only_are_told(torch, open_cves):
    [(level, says, _)] = said(facts({"torch": torch}), subject="weights_only")
    assert [cve for cve, _ in CVES if cve in says] == open_cves
    assert level == ("warning" if open_cves else "ok")


@pytest.mark.parametrize(
    ("torch", "stock", "strict", "allowlisted"),
    [
        ("2.3.1", "=False unless", "are loaded all the same", "has an allow-list from 2.4 on"),
        ("2.5.1", "=False unless", "are loaded all the same", "aliases are of 2.6"),
        ("2.6.0", "=True unless", "are refused", "moved included"),
        ("2.9.1", "=True unless", "are refused", "moved included"),
        ("2.10.0", "=True unless", "are refused", "no subclass of dict"),
        ("2.10.0.dev20251101", "=True unless", "are refused", "no subclass of dict"),
    ],
)
def test_how_each_policy_behaves_is_told_by_the_release(torch, stock, strict, allowlisted):
    found = facts({"torch": torch})
    assert stock in said(found, subject="policy stock")[0][1]
    assert strict in said(found, subject="policy strict")[0][1]
    assert allowlisted in said(found, subject="policy allowlisted")[0][1]
    assert "executes" in said(found, subject="policy patched")[0][1]


FORCED = "every torch.load has weights_only=True, also where the call says False"
NOT_FORCED = "torch.load executes what a file names, unless the call says weights_only=True"
UNHEEDED = "this torch does not heed it"
UNKNOWN = "whether this torch heeds that spelling is not known; 1 is heeded by all"


@pytest.mark.parametrize(
    ("torch", "name", "value", "says"),
    [
        ("2.5.1", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1", FORCED),
        ("2.5.1", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "True", FORCED),
        ("2.8.0", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "True", UNHEEDED),
        ("2.8.0", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "yes", FORCED),
        ("2.10.0", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TRUE", UNHEEDED),
        ("2.12.0", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TRUE", UNKNOWN),
        ("2.15.0", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TRUE", FORCED),
        ("2.15.0", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0", UNHEEDED),
        ("2.15.0", "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "on", UNHEEDED),
        ("2.5.1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1", UNHEEDED),
        ("2.6.0", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1", NOT_FORCED),
    ],
)
def test_the_variables_of_torch_load_are_read_as_this_torch_reads_them(torch, name, value, says):
    found = facts({"torch": torch}, variables={name: value})
    signature = "force-no-warning" if says == NOT_FORCED else None
    assert said(found, subject="TORCH_") == [("warning", says, signature)]


@pytest.mark.parametrize(("torch", "levels"), [("2.5.1", ["warning"] * 2), ("2.6.0", ["broken"])])
def test_both_variables_at_once_make_every_load_raise_where_both_are_known(torch, levels):
    both = dict.fromkeys(("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"), "1")
    found = said(facts({"torch": torch}, variables=both), subject="TORCH_")

    assert [level for level, *_ in found] == levels
    if levels == ["broken"]:
        assert found[0][1:] == ("both are set: every torch.load raises", "force-env-both")


def test_a_folder_left_behind_is_no_torch():
    found = facts(modules={"torch": {"status": "ok"}}, builds={})
    assert said(found, subject="torch") == [
        ("broken", "what is imported by that name is something else: it has no version", None)
    ]


@pytest.mark.parametrize(
    ("torch", "torchaudio", "expected"),
    [
        ("2.8.0", "2.8.0", ("ok", "goes with torch 2.8.0", None)),
        ("2.15.0", "2.11.0", ("ok", "goes with torch 2.15.0", None)),
        (
            "2.9.1",
            "2.8.0",
            (
                "warning",
                "not made for torch 2.9.1, which goes with torchaudio==2.9.1",
                "ta-abi",
            ),
        ),
    ],
)
def test_torchaudio_is_held_against_torch_by_its_rule(torch, torchaudio, expected):
    found = facts({"torch": torch, "torchaudio": torchaudio})
    assert said(found, subject="torchaudio") == [expected]


def test_without_imports_another_cuda_is_told_by_the_builds():
    builds = {
        "torch": {"version": "2.15.0+cu132", "cuda": "13.2"},
        "torchaudio": {"version": "2.11.0+cu130"},
    }
    found = facts({"torch": "2.15.0", "torchaudio": "2.11.0"}, imported=False, builds=builds)
    assert said(found, subject="torchaudio 2.11.0 +cu130") == [
        ("broken", "built for another CUDA than torch (+cu132); import fails", "ta-cuda-mismatch")
    ]


def test_an_import_that_failed_is_told_once_by_its_own_words():
    words = (
        "Detected that PyTorch and TorchAudio were compiled with different CUDA versions. PyTorch"
        " has CUDA version 13.2 whereas TorchAudio has CUDA version 13.0."
    )
    raised = {"status": "raised", "exception": "RuntimeError", "message": words, "chain": []}
    found = facts({"torch": "2.15.0", "torchaudio": "2.11.0"}, modules={"torchaudio": raised})

    [(level, says, signature)] = said(found, subject="torchaudio 2.11.0")
    assert level == "broken"
    assert says.startswith("import fails: ")
    assert signature == "ta-cuda-mismatch"


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ({"torch": "2.8.0", "torchcodec": "0.7.0"}, [("ok", "goes with torch 2.8.0", None)]),
        (
            {"torch": "2.8.0", "torchcodec": "0.9.0"},
            [
                (
                    "warning",
                    "not made for torch 2.8.0, which goes with torchcodec>=0.6,<0.8",
                    "torchcodec-load",
                )
            ],
        ),
        ({"torch": "2.8.0", "torchaudio": "2.8.0"}, []),
        (
            {"torch": "2.9.1", "torchaudio": "2.9.1"},
            [
                (
                    "warning",
                    "not installed: load and save of torchaudio 2.9.1 raise without it",
                    "ta-torchcodec-required",
                )
            ],
        ),
    ],
)
def test_torchcodec_is_held_against_torch_and_missed_where_torchaudio_needs_it(versions, expected):
    assert said(facts(versions), subject="torchcodec") == expected


@pytest.mark.parametrize(
    ("versions", "ffmpeg", "expected"),
    [
        ({"torch": "2.5.1", "torchaudio": "2.5.1"}, {"program": None, "libraries": []}, []),
        (
            {"torch": "2.9.1", "torchaudio": "2.9.1"},
            {"program": "7.0", "libraries": ["libavutil.so.59"]},
            [("ok", "7.0 libavutil.so.59", None)],
        ),
        (
            {"torch": "2.9.1", "torchcodec": "0.9.0"},
            {"program": "7.0", "libraries": []},
            [
                (
                    "warning",
                    "no shared libraries of it are found (the program ffmpeg has none):"
                    " torchcodec decodes by them",
                    "torchcodec-load",
                )
            ],
        ),
    ],
)
def test_ffmpeg_is_missed_where_something_decodes_by_it(versions, ffmpeg, expected):
    assert said(facts(versions, ffmpeg=ffmpeg), subject="FFmpeg") == expected


def test_what_a_package_asks_of_torch_and_does_not_have_is_told():
    found = facts(
        {"torch": "2.15.0", "torchvision": "0.20.1", "numpy": "2.3.0", "numba": "0.60.0"},
        requires={
            "torchvision": ["torch (==2.5.1)", "numpy"],
            "numba": ["numpy<2.1,>=1.22", "numpy<1.0; python_version < '3.8'"],
            "gone": ["torch==1.0"],
            "torchaudio": ["torch==2.11.0; extra == 'x'", "not a requirement !"],
        },
    )
    assert said(found, subject="torchvision") == [
        ("warning", "asks for torch==2.5.1, and torch is 2.15.0", "torchvision-nms")
    ]
    assert said(found, subject="numba") == [
        ("warning", "asks for numpy<2.1,>=1.22, and numpy is 2.3.0", None)
    ]
    assert counted(findings(found)) == "0 broken, 2 warnings"


@pytest.mark.parametrize(
    ("versions", "subject", "signature"),
    [
        (
            {"torch": "2.8.0", "pyannote.audio": "3.4.0", "lightning": "2.6.1"},
            "pyannote-audio",
            "wo-pyannote",
        ),
        (
            {"torch": "2.8.0", "pyannote.audio": "3.4.0", "lightning": "2.3.3"},
            "pyannote-audio",
            "wo-pyannote",
        ),
        ({"torch": "2.8.0", "pyannote.audio": "3.4.0", "lightning": "2.5.6"}, "pyannote", None),
        ({"torch": "2.8.0", "pyannote.audio": "4.0.3", "lightning": "2.6.1"}, "pyannote", None),
        ({"torch": "2.5.1", "pyannote.audio": "3.4.0", "lightning": "2.6.1"}, "pyannote", None),
        ({"torch": "2.6.0", "fairseq": "0.12.2"}, "fairseq", "wo-fairseq-dictionary"),
        ({"torch": "2.5.1", "fairseq": "0.12.2", "numpy": "1.26.4"}, "fairseq", "numpy-alias"),
        ({"torch": "2.5.1", "fairseq": "0.12.2", "numpy": "1.23.5"}, "fairseq", None),
        ({"torch": "2.8.0", "ultralytics": "8.2.63"}, "ultralytics", "wo-yolo"),
        ({"torch": "2.8.0", "ultralytics": "8.2.64"}, "ultralytics", None),
        ({"omegaconf": "2.0.6", "pip": "24.1"}, "omegaconf", "pip-omegaconf-metadata"),
        ({"omegaconf": "2.0.6", "pip": "24.0"}, "omegaconf", None),
        ({"coqpit": "0.0.17", "coqpit-config": "0.2.0"}, "coqpit, coqpit-config", "tts-coqpit"),
    ],
)
def test_versions_that_are_known_not_to_go_together_are_told(versions, subject, signature):
    found = [each for _, _, each in said(facts(versions), subject=subject)]
    assert found == ([signature] if signature else [])


def test_packages_that_bring_one_module_twice_are_told_with_the_way_out():
    found = findings(facts({"opencv-python": "4.11", "opencv-python-headless": "4.11"}))
    told = next(each for each in found if each.subject.startswith("opencv"))

    assert told.says == "both bring the package cv2: which files are there hangs on their order"
    assert told.remedies[0].code == (
        "python -m pip uninstall opencv-python opencv-python-headless\n"
        'python -m pip install "opencv-python-headless"'
    )


@pytest.mark.parametrize(
    ("versions", "python", "subject", "signature"),
    [
        ({"torch": "2.5.1", "fairseq": "0.12.2"}, "3.11.7", "fairseq", "fairseq-py311-dataclass"),
        ({"torch": "2.2.2", "numpy": "2.0.0"}, "3.11.7", "torch 2.2.2", "numpy-abi"),
    ],
)
def test_what_an_import_would_show_is_told_by_versions_where_there_is_none(
    versions, python, subject, signature
):
    light = facts(versions, python, imported=False)
    assert signature in [each for _, _, each in said(light, subject=subject)]
    assert signature not in [each for _, _, each in said(facts(versions, python), subject=subject)]


def test_a_module_compiled_for_numpy_1_is_told_though_it_was_imported():
    output = (
        "\nA module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.3.0 as it may"
        " crash. [...]\nAttributeError: _ARRAY_API not found"
    )
    found = facts(
        {"torch": "2.2.2", "numpy": "2.3.0"}, modules={"cv2": {"status": "ok", "output": output}}
    )
    assert said(found, subject="cv2") == [
        (
            "broken",
            "imports something that was compiled for numpy 1, and works in part at best",
            "numpy-abi",
        )
    ]


def test_a_torch_without_numpy_is_told():
    assert said(facts({"torch": "2.15.0"}), subject="numpy") == [
        (
            "warning",
            "not installed: what goes from torch to numpy and back raises",
            "numpy-not-available",
        )
    ]


def test_the_replacing_of_torch_load_is_what_was_measured():
    replaced = {"status": "ok", "load": "ultralytics.utils.patches", "version": "8.3.50"}
    found = facts({"torch": "2.8.0"}, modules={"ultralytics": replaced})
    assert said(found, subject="ultralytics") == [
        (
            "warning",
            "importing it replaces torch.load for the whole process",
            "ultralytics-patches-load",
        )
    ]
    versions = {"torch": "2.8.0", "ultralytics": "8.3.50"}  # by its version it would
    assert said(facts(versions), subject="ultralytics") == []


@pytest.mark.parametrize(
    ("python", "says"),
    [
        ("3.9.18", [("ok", "torch has wheels for it up to 2.8", None)]),
        ("3.10.13", [("ok", "torch has wheels for it up to 2.14", None)]),
        ("3.12.1", []),
    ],
)
def test_a_python_that_newer_torches_leave_out_is_told(python, says):
    assert said(facts(python=python), subject="Python") == says


def test_an_environment_without_pip_is_told_how_the_commands_are_written():
    assert said(facts(), subject="pip") == [
        ("ok", "not here: write uv pip for python -m pip, or run python -m ensurepip", None)
    ]
    assert said(facts({"pip": "25.0"}), subject="pip") == []


def ids_that_are_told():
    """The ids that stand in the doctor's own modules."""
    found = {each.signature for each in (*packages._FAILING, *packages._AT_IMPORT)}
    found |= {*packages._ASKING.values(), *(each[3] for each in packages._SAME_PACKAGE)} - {None}
    for path in Path(doctor.__file__).parent.glob("findings_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                strings = [a for a in ast.walk(node.args[3]) if isinstance(a, ast.Constant)]
                found |= {each.value for each in strings if isinstance(each.value, str)}
    return sorted(found | {"cve-2025-32434"})


@pytest.mark.parametrize("name", ids_that_are_told())
def test_a_signature_that_is_told_exists(name):
    assert name in {each.id for each in SIGNATURES}


def test_what_is_told_of_one_subject_stands_together():
    died = {"status": "died", "how": "signal SIGABRT"}
    versions = {"torch": "2.8.0", "torchcodec": "0.9.0", "numpy": "2.0.0"}
    subjects = [each.subject for each in findings(facts(versions, modules={"torchcodec": died}))]

    place = subjects.index("torchcodec 0.9.0")
    assert subjects[place : place + 2] == ["torchcodec 0.9.0"] * 2
    assert subjects[place + 2] == "imported"


def test_the_sum_is_told_in_words():
    assert counted([]) == "nothing is broken"
    assert counted(findings(facts({"torch": "2.6.0", "numpy": "2.0"}))) == "0 broken, 1 warning"
