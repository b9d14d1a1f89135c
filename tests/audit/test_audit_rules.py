"""The rules beyond the loads themselves: one sample that breaks each, and near misses."""

from __future__ import annotations

import pytest

from pytest_torchcompat.audit import RULES, audit_source
from pytest_torchcompat.audit.variables import findings_in_text


def found(text, *wanted):
    report = audit_source(text)
    return [each for each in report.findings if each.rule.code in wanted]


def tried(handler, block="return torch.load(f, weights_only=True)", name=""):
    return (
        f"import torch, sys, pytest, traceback, contextlib\ndef read(f):\n    try:\n"
        f"        {block}\n    except{name}:\n        {handler}\n"
    )


@pytest.mark.parametrize(
    "handler",
    [
        "pass",
        "...",
        "return None",
        "return",
        "return {}",
        "return False",
        "print('failed')",
        "traceback.print_exc()",
        "logger.error('failed')",
        "x = None",
        "if x:\n            print(1)",
        "show('it failed')",
    ],
)
@pytest.mark.parametrize("name", ["", " Exception", " BaseException", " (OSError, Exception)"])
def test_a_handler_that_tells_nobody_swallows_the_failure(handler, name):
    (finding,) = found(tried(handler, name=name), "TC010")

    assert finding.place.line == 5


def test_the_pickle_error_by_itself_is_swallowed_as_well():
    assert found(tried("pass", name=" pickle.UnpicklingError"), "TC010")
    assert found(tried("print(e)", name=" Exception as e"), "TC010")


@pytest.mark.parametrize(
    "handler",
    [
        "raise",
        "raise RuntimeError(f) from None",
        "sys.exit(1)",
        "pytest.skip('none')",
        "parser.error('bad file')",
        "return load_safetensors(f)",
        "state = default()",
        "failed += 1",
        "if strict:\n            raise",
    ],
)
def test_a_handler_that_raises_ends_or_does_something_else_swallows_nothing(handler):
    assert found(tried(handler, name=" Exception"), "TC010") == []


@pytest.mark.parametrize(
    "handler",
    ["errors.append(e)", "return str(e)", "self.error = e", "queue.put(error=e)"],
)
def test_an_exception_that_is_handed_on_is_not_swallowed(handler):
    assert found(tried(handler, name=" Exception as e"), "TC010") == []


@pytest.mark.parametrize("name", [" OSError", " FileNotFoundError", " (OSError, KeyError)"])
def test_a_handler_of_an_expected_error_swallows_nothing(name):
    assert found(tried("pass", name=name), "TC010") == []


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ntry:\n    pass\nexcept Exception:\n    pass\ntorch.load(f)",
        "import torch\ntry:\n    def f():\n        torch.load(f)\nexcept Exception:\n    pass",
        "import torch\ntry:\n    x()\nexcept Exception:\n    pass\nelse:\n    torch.load(f)",
    ],
)
def test_a_load_outside_of_the_tried_block_is_not_its(text):
    assert found(text, "TC010") == []


def test_what_an_inner_handler_raises_an_outer_one_can_swallow():
    text = (
        "import torch\ntry:\n    try:\n        torch.load(f)\n    except Exception:\n"
        "        raise\nexcept Exception:\n    pass\n"
    )

    assert [finding.place.line for finding in found(text, "TC010")] == [7]


def test_the_sentences_of_a_swallowed_failure_name_the_load():
    (finding,) = found(tried("pass", name=" Exception"), "TC010")
    assert finding.message == (
        "except Exception hides that torch.load in line 4 failed, and the program goes on without "
        "what it should have loaded."
    )
    (finding,) = found(tried("pass"), "TC010")
    assert finding.message.startswith("A bare except hides that torch.load in line 4 failed")


@pytest.mark.parametrize(
    ("call", "loads"),
    [
        ("YOLO('yolov8n.pt')", True),
        ("YOLO('yolov8n')", True),
        ("YOLO(f'{name}.yaml')", True),
        ("YOLO()", True),
        ("TTS('tts_models/en/ljspeech/vits')", True),
        ("TTS(**chosen)", True),
        ("YOLO('yolov8n.yaml')", False),
        ("YOLO(model='model.onnx')", False),
        ("TTS().list_models()", False),
        ("TTS(gpu=True)", False),
    ],
)
def test_a_call_of_a_library_that_reads_no_checkpoint_has_no_failure_to_swallow(call, loads):
    head = "from TTS.api import TTS\nfrom ultralytics import YOLO\n"
    body = f"def make():\n    try:\n        return {call}\n    except Exception:\n"

    assert bool(found(f"{head}{body}        return None\n", "TC010")) is loads


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("from ultralytics import YOLO", "YOLO(f)"),
        ("from ultralytics.nn import tasks", "tasks.attempt_load_weights(f)"),
        ("import fairseq", "fairseq.checkpoint_utils.load_model_ensemble_and_task([f])"),
        ("from pyannote.audio import Pipeline", "Pipeline.from_pretrained(f)"),
        ("from TTS.api import TTS", "TTS(model_path=f)"),
    ],
)
def test_a_load_through_a_library_is_swallowed_as_torchs_own(text, call):
    head = f"{text}\nclass Model:\n    def __init__(self, f):\n        try:\n"
    use = "    def run(self):\n        return self.model()\n"
    body = f"{head}            self.model = {call}\n        except:\n            pass\n{use}"
    unset, swallowed = found(body, "TC010", "TC012")

    assert (unset.rule.code, unset.place.line) == ("TC012", 5)
    assert (swallowed.rule.code, swallowed.place.line) == ("TC010", 6)
    assert audit_source(body).sites == ()
    assert found(body.replace("pass", "raise"), "TC010", "TC012") == []


def test_a_suppressed_failure_is_swallowed():
    head = "import torch, contextlib\nwith contextlib.suppress"
    (finding,) = found(f"{head}(Exception):\n    torch.load(f)", "TC010")

    assert finding.message.startswith("contextlib.suppress(Exception) hides that torch.load")
    assert found(f"{head}(OSError):\n    torch.load(f)", "TC010") == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("torch.load(f, weights_only=True)", "torch.load(f, weights_only=False)"),
        ("torch.load(f)", "torch.load(f, weights_only=False)"),
        ("torch.load(f, weights_only=True)", "torch.load(f)"),
    ],
)
@pytest.mark.parametrize("name", ["", " Exception", " pickle.UnpicklingError", " RuntimeError"])
def test_a_weaker_load_after_a_refusal_is_a_fall_back(first, second, name):
    (finding,) = found(tried(f"return {second}", f"return {first}", name), "TC011")

    assert finding.place.line == 6
    assert finding.level.value == "error"
    assert finding.message == (
        "When torch.load in line 4 refuses a file it is loaded again with its pickle executed: "
        "whoever made the file picks that path."
    )


def test_a_load_as_strong_as_the_first_is_no_fall_back():
    again = "return torch.load(g, weights_only=True)"

    assert found(tried(again, name=" Exception"), "TC011") == []


def test_an_argument_that_old_torch_lacks_is_no_fall_back():
    assert found(tried("return torch.load(f)", name=" TypeError"), "TC011") == []


CLASS = """
import torch
class Reader:
    def __init__(self, f):
        {before}
        try:
            state = torch.load(f)
            self.model = make(state)
        except Exception:
            {handler}
    def run(self):
        {use}
"""


def class_with(before="pass", handler="pass", use="return self.model"):
    return CLASS.format(before=before, handler=handler, use=use)


def test_an_attribute_that_a_failed_load_leaves_unset():
    (finding,) = found(class_with(), "TC012")

    assert finding.place.line == 8
    assert finding.message == (
        "self.model is left unset when torch.load in line 7 fails: the failure is swallowed and "
        "nothing else in Reader sets it."
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"before": "self.model = None"},
        {"handler": "raise"},
        {"handler": "self.model = None"},
        {"use": "return 1"},
        {"use": "return getattr(self, 'model', None)"},
        {"use": "return hasattr(self, 'model') and self.model"},
    ],
)
def test_an_attribute_that_is_set_asked_for_or_unused_is_left_alone(changed):
    assert found(class_with(**changed), "TC012") == []


@pytest.mark.parametrize(
    "text",
    [
        "torch.load = mine",
        "torch.serialization.load = mine",
        "torch.load = functools.partial(torch.load, weights_only=False)",
        "setattr(torch, 'load', mine)",
        "t = torch\nt.load = mine",
    ],
)
def test_torch_load_replaced_for_the_process(text):
    (finding,) = found(f"import torch, functools\n{text}", "TC020")

    assert finding.message.endswith(
        "load is replaced for the whole process, for every library in it."
    )


@pytest.mark.parametrize(
    "text",
    [
        'torch.load = lambda *a, **k: old(*a, **{**k, "weights_only": False})',
        "def mine(f, **k):\n    k['weights_only'] = False\n    return old(f, **k)\n"
        "torch.load = mine",
        "setattr(torch, 'load', lambda *a, **k: old(*a, **{**k, 'weights_only': 0}))",
        "torch.load = lambda *a, **k: old(*a, **dict(k, weights_only=False))",
        "def mine(f, **k):\n    k.update(weights_only=False)\n    return old(f, **k)\n"
        "torch.load = mine",
        "def mine(f, **k):\n    k.update({'weights_only': False})\n    return old(f, **k)\n"
        "torch.load = mine",
        "def mine(f, **k):\n    opts = {**k, 'weights_only': False}\n    return old(f, **opts)\n"
        "torch.load = mine",
    ],
)
def test_a_replacement_that_drops_what_its_caller_chose_is_told_as_that(text):
    (finding,) = found(f"import torch\nold = torch.load\n{text}", "TC020")

    assert finding.message.endswith(" It passes weights_only=False whatever its caller chose.")


@pytest.mark.parametrize(
    "text",
    [
        'torch.load = lambda *a, **k: old(*a, **{"weights_only": False, **k})',
        "def mine(f, **k):\n    if 'weights_only' not in k:\n        k['weights_only'] = False\n"
        "    return old(f, **k)\ntorch.load = mine",
        "def mine(f, **k):\n    k.setdefault('weights_only', False)\n    return old(f, **k)\n"
        "torch.load = mine",
        "def mine(f, **k):\n    if 'weights_only' in k:\n        return old(f, **k)\n"
        "    k['weights_only'] = False\n    return old(f, **k)\ntorch.load = mine",
        "def mine(f, **k):\n    if 'weights_only' in k:\n        return other(f, **k)\n"
        "    k['weights_only'] = False\n    return old(f, **k)\ntorch.load = mine",
        "torch.load = lambda *a, **k: old(*a, **{**base, 'weights_only': False, **k})",
        "torch.load = lambda *a, **k: old(*a, **{**base, 'weights_only': False})",
        "torch.load = lambda *a, **k: old(*a, **dict(base, weights_only=False))",
        "torch.load = lambda *a, **k: old(*a, **k) or other(**{**k, 'weights_only': False})",
        "def mine(f, **k):\n    opts = {}\n    opts['weights_only'] = False\n"
        "    return old(f, **k)\ntorch.load = mine",
        "def mine(f, **k):\n    print({**k, 'weights_only': False})\n    return old(f, **k)\n"
        "torch.load = mine",
        "def mine(f, **k):\n    k['weights_only'] = False\n    k.update(chosen)\n"
        "    return old(f, **k)\ntorch.load = mine",
        "def mine(f, **k):\n    k['weights_only'] = False\n    if strict:\n"
        "        k['weights_only'] = True\n    return old(f, **k)\ntorch.load = mine",
        "def mine(f, **k):\n    result = old(f, **k)\n    k['weights_only'] = False\n"
        "    return result\ntorch.load = mine",
    ],
)
def test_a_replacement_that_keeps_what_its_caller_chose_is_not_said_to_drop_it(text):
    (finding,) = found(f"import torch\nold = torch.load\n{text}", "TC020")

    assert finding.message.endswith("for every library in it.")


@pytest.mark.parametrize(
    "text",
    [
        "old = torch.load\ntorch.load = old",
        "self.old = torch.load\ntorch.load = self.old",
        "old = torch.load\nsetattr(torch, 'load', old)",
        "model.load = torch.load",
        "torch.save = mine",
    ],
)
def test_setting_back_what_was_saved_replaces_nothing(text):
    assert found(f"import torch\n{text}", "TC020", "TC021") == []


@pytest.mark.parametrize(
    "text",
    [
        "mock.patch('torch.load')",
        "mock.patch.object(torch, 'load')",
        "monkeypatch.setattr(torch, 'load', mine)",
        "monkeypatch.setattr('torch.load', mine)",
        "@patch('torch.load')\ndef test(): ...",
    ],
)
def test_a_patch_that_ends_is_a_note(text):
    (finding,) = found(f"import torch\n{text}", "TC021")

    assert finding.level.value == "note"
    assert finding.message == "torch.load is replaced while this patch lasts."


@pytest.mark.parametrize(
    "given",
    ["['fairseq.data.Dictionary']", "('a.B',)", "[A] + ['a.B']", "{'a.B'}", "[('a.B', 'c.D')]"],
)
@pytest.mark.parametrize("function", ["add_safe_globals", "safe_globals"])
def test_strings_on_the_allow_list_allow_nothing(function, given):
    text = f"from torch.serialization import {function}\n{function}({given})"

    assert len(found(text, "TC030")) == 1


def test_the_sentences_about_the_allow_list():
    head = "import torch\ntorch.serialization.add_safe_globals"
    given = {
        "(['a.B'])": "add_safe_globals is given the string 'a.B': it allows nothing, and the next "
        "weights-only load raises AttributeError.",
        "([('a.B', 'c.D')])": "add_safe_globals is given a pair of strings: its first must be the "
        "object itself.",
        "([(B, 'c.D')])": "add_safe_globals is given a pair: with torch up to 2.5 the next load "
        "raises AttributeError.",
        "('a.B')": "add_safe_globals is given 'a.B' and takes a list.",
    }

    for arguments, sentence in given.items():
        assert [each.message for each in audit_source(head + arguments).findings] == [sentence]


def test_a_list_in_a_variable_is_followed():
    head = "import torch\nnames = ['a.B']\ntorch.serialization.add_safe_globals"

    assert found(f"{head}(names)", "TC030")
    assert found(f"{head}(others)", "TC030", "TC031") == []


@pytest.mark.parametrize("given", ["'a.B'", "None", "B"])
def test_what_is_no_list_is_told(given):
    text = f"import torch\nclass B: ...\ntorch.serialization.safe_globals({given})"

    assert found(text, "TC031")


@pytest.mark.parametrize("given", ["[B]", "[a.B, c.D]", "B.__subclasses__()", "[*names]"])
def test_objects_on_the_allow_list_are_well(given):
    text = f"import torch\ntorch.serialization.add_safe_globals({given})"

    assert audit_source(text).findings == ()


@pytest.mark.parametrize(
    "text",
    [
        "os.environ['{}'] = '1'",
        "os.environ.get('{}')",
        "os.environ.setdefault('{}', '1')",
        "os.getenv('{}')",
        "os.putenv('{}', '1')",
        "'{}' in os.environ",
        "environ['{}'] = '1'",
        "monkeypatch.setenv('{}', '1')",
        "subprocess.run(c, env={{**os.environ, '{}': '1'}})",
        "dict(os.environ, {}='1')",
    ],
)
def test_a_variable_that_torch_does_not_know(text):
    head = "import os, subprocess\nfrom os import environ\n"
    (finding,) = found(head + text.format("TORCH_LOAD_WEIGHTS_ONLY"), "TC040")

    assert finding.message == (
        "torch reads no variable TORCH_LOAD_WEIGHTS_ONLY: it changes nothing. "
        "Did you mean TORCH_FORCE_WEIGHTS_ONLY_LOAD?"
    )
    assert found(head + text.format("TORCH_FORCE_WEIGHTS_ONLY_LOAD"), "TC040") == []


@pytest.mark.parametrize(
    "name",
    [
        "TORCH_WEIGHTS_ONLY",
        "PYTORCH_FORCE_WEIGHTS_ONLY_LOAD",
        "TORCH_FORCE_WEIGHT_ONLY_LOAD",
        "TORCH_FORCE_NO_WEIGHTS_ONLY",
        "FORCE_WEIGHTS_ONLY_LOAD",
    ],
)
def test_a_name_near_to_torchs_own_is_told(name):
    assert found(f"import os\nos.environ['{name}'] = '1'", "TC040")


@pytest.mark.parametrize("name", ["MYAPP_WEIGHTS_ONLY", "TORCH_HOME", "TORCH_LOGS", "LOAD_ONLY"])
def test_a_name_of_ones_own_is_not(name):
    assert found(f"import os\nos.environ['{name}'] = 'weights_only'", "TC040") == []


def test_a_table_that_names_it_is_no_use_of_a_variable():
    text = "import torch\nprint('TORCH_WEIGHTS_ONLY')\nf('TORCH_WEIGHTS_ONLY', torch.nn)"

    assert found(text, "TC040") == []


def test_the_switch_that_makes_every_load_execute_pickles():
    off = "import os\nos.environ['TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'] = "
    (finding,) = found(f"{off}'1'", "TC041")

    assert finding.message == (
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD makes every torch.load of the process that does not "
        "choose execute pickles, from torch 2.6 on; torch 2.5 ignores it."
    )
    assert found(f"{off}'0'", "TC041") == []
    assert found(f"{off}value", "TC041") == []


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("True", "=True is not read by torch 2.6 and 2.8, which know 1, y, yes, true."),
        ("on", "=on is read by no torch: it knows 1, y, yes, true."),
    ],
)
def test_a_value_that_torch_does_not_read(value, sentence):
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    (finding,) = found(f"import os\nos.environ['{name}'] = '{value}'", "TC042")

    assert finding.message == f"{name}{sentence}"


@pytest.mark.parametrize("value", ["1", "y", "yes", "true", "0", "false", ""])
def test_a_value_that_every_torch_reads_alike(value):
    text = f"import os\nos.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] = '{value}'"

    assert found(text, "TC042") == []


@pytest.mark.parametrize(
    "line",
    [
        "export TORCH_WEIGHTS_ONLY=1",
        "ENV TORCH_WEIGHTS_ONLY 1",
        "ENV TORCH_WEIGHTS_ONLY=0 OTHER=1",
        "      TORCH_WEIGHTS_ONLY: '1'",
        "TORCH_WEIGHTS_ONLY=1 python run.py",
        "set TORCH_WEIGHTS_ONLY=1",
        'env = { TORCH_WEIGHTS_ONLY = "1" }',
        "$env:TORCH_WEIGHTS_ONLY = 1",
    ],
)
def test_a_variable_is_found_in_files_that_are_no_python(line):
    assert [rule.code for rule, *_ in findings_in_text(f"a\n{line}\n")] == ["TC040"]


@pytest.mark.parametrize("line", ["# TORCH_WEIGHTS_ONLY=1", "MYAPP_WEIGHTS_ONLY=1"])
def test_a_comment_or_a_name_of_ones_own_is_not(line):
    assert list(findings_in_text(line)) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("torchaudio.info(f)", "torchaudio.info"),
        ("torchaudio.set_audio_backend('sox')", "torchaudio.set_audio_backend"),
        ("torchaudio.get_audio_backend()", "torchaudio.get_audio_backend"),
        ("torchaudio.list_audio_backends()", "torchaudio.list_audio_backends"),
        ("def f(x: torchaudio.AudioMetaData): ...", "torchaudio.AudioMetaData"),
        ("torchaudio.io.StreamReader(f)", "torchaudio.io.StreamReader"),
        ("torchaudio.kaldi_io.read(f)", "torchaudio.kaldi_io.read"),
        ("from torchaudio import AudioMetaData", "torchaudio.AudioMetaData"),
        ("from torchaudio.backend.common import X", "torchaudio.backend.common.X"),
        ("import torchaudio.sox_effects", "torchaudio.sox_effects"),
    ],
)
def test_what_torchaudio_2_9_removed(text, name):
    (finding,) = found(f"import torchaudio\n{text}", "TC050")

    assert finding.message == f"{name} was removed in torchaudio 2.9."


@pytest.mark.parametrize(
    "text",
    [
        "torchaudio.load(f)",
        "torchaudio.transforms.Resample()",
        "torchaudio.information",
        "if hasattr(torchaudio, 'info'):\n    torchaudio.info(f)",
        "hasattr(torchaudio, 'info') and torchaudio.info(f)",
        "if torchaudio.__version__ < '2.9':\n    torchaudio.info(f)",
        "try:\n    torchaudio.info(f)\nexcept AttributeError:\n    pass",
        "torchaudio.info = mine\ntorchaudio.info(f)",
        "from torch import audio as torchaudio\ntorchaudio.info(f)",
        "def f(torchaudio):\n    torchaudio.info(f)",
    ],
)
def test_what_is_still_there_or_guarded_is_left_alone(text):
    assert found(f"import torchaudio\n{text}", "TC050") == []


def test_an_annotation_that_is_text_fails_nowhere():
    text = "from __future__ import annotations\nimport torchaudio\n"

    assert found(f"{text}def f(x: torchaudio.AudioMetaData): ...", "TC050") == []


def test_codes_and_names_are_unique_and_each_rule_has_a_remedy():
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.summary.endswith(".") and rule.remedy for rule in RULES)


def test_a_list_that_is_given_twice_is_told_about_once():
    text = "import torch\nL = ['a.B']\n" + "torch.serialization.add_safe_globals(L)\n" * 3
    assert len(found(text, "TC030")) == 1
