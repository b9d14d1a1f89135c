"""Where a module loads, and what each torch does there."""

from __future__ import annotations

import sys

import pytest

from pytest_torchcompat.audit import Verdict, audit_source


def read(text):
    return audit_source(text)


def codes(text):
    return [finding.rule.code for finding in read(text).findings]


def verdicts(text):
    return [site.verdict for site in read(text).sites]


def messages(text):
    return [finding.message for finding in read(text).findings]


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ntorch.load(f)",
        "import torch as t\nt.load(f)",
        "from torch import load\nload(f)",
        "from torch import load as read\nread(f)",
        "from torch import (\n    nn,\n    load,\n)\nload(f)",
        "from torch import nn, \\\n    load\nload(f)",
        "from torch import *\nload(f)",
        "import torch.serialization\ntorch.serialization.load(f)",
        "from torch.serialization import load\nload(f)",
        "from torch import serialization as s\ns.load(f)",
        "import torch\nread = torch.load\nread(f)",
        "import torch\nt = torch\nt.load(f)",
        "import torch\ngetattr(torch, 'load')(f)",
        "import importlib\nt = importlib.import_module('torch')\nt.load(f)",
        "torch = lazy_import('torch')\ntorch.load(f)",
        "try:\n    import torch\nexcept ImportError:\n    torch = None\ntorch.load(f)",
        "def f():\n    import torch\n    return torch.load(f)",
        "class A:\n    def f(self, file):\n        import torch\n        torch.load(file)",
        "from fastai.vision.all import *\ntorch.load(f)",
        "import torch\ntorch . \\\n  load(f)",
        "import \uff54orch\n\uff54orch.load(f)",
        "import torch\nload = 1\ntorch.load(load)",
    ],
)
def test_a_load_is_found_under_each_of_its_names(text):
    (site,) = read(text).sites
    assert site.call in {"torch.load", "torch.serialization.load"}
    assert codes(text) == ["TC001"]


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ntorch.jit.load(f)",
        "import torch, json\njson.load(f)",
        "import torch, pickle\npickle.load(f)",
        "import torch\nfrom joblib import load\nload(f)",
        "from torch import load\ndef f(load):\n    load(f)",
        "from torch import load\ndef f():\n    load = make()\n    load(f)",
        "from torch import load\ndef load(f): ...\nload(f)",
        "from torch import load\nfor load in loaders:\n    load(f)\n",
        "from torch import load\n[load(f) for load in loaders]",
        "from torch import load\nlambda load: load(f)",
        "import torch\ndef f(torch):\n    torch.load(f)",
        "import torch\nclass A:\n    load = 1\n    def f(self):\n        self.load(f)",
        "class A:\n    from torch import load\n    def f(self):\n        load(f)",
        "from .torch import load\nload(f)",
        "import torch\nisinstance(torch.load, type)",
        "import torch\nassert torch.load is not None",
        "# torch.load(f)\ntext = 'torch.load(f)'",
    ],
)
def test_what_only_looks_like_a_load_is_none(text):
    report = read(text)

    assert (report.sites, report.findings) == ((), ())


@pytest.mark.parametrize(
    ("arguments", "chosen", "verdict", "found"),
    [
        ("f", "absent", Verdict.BY_VERSION, ["TC001"]),
        ("f, weights_only=None", "None", Verdict.BY_VERSION, ["TC001"]),
        ("f, weights_only=False", "False", Verdict.EXECUTES, ["TC002"]),
        ("f, weights_only=0", "False", Verdict.EXECUTES, ["TC002"]),
        ("f, weights_only=True", "True", Verdict.OK, []),
        ("f, weights_only=not trusted", "not-known", Verdict.NOT_KNOWN, ["TC004"]),
        ("f, **more", "not-known", Verdict.NOT_KNOWN, ["TC004"]),
        ("f, **{**more, 'weights_only': False}", "False", Verdict.EXECUTES, ["TC002"]),
        ("f, **dict(weights_only=True)", "True", Verdict.OK, []),
        ("f, 'cpu', None", "absent", Verdict.BY_VERSION, ["TC001"]),
        ("f, 'cpu', pickle", "absent", Verdict.EXECUTES, ["TC003"]),
        ("f, pickle_module=dill", "absent", Verdict.EXECUTES, ["TC003"]),
        ("f, pickle_module=dill, weights_only=False", "False", Verdict.EXECUTES, ["TC003"]),
        ("f, pickle_module=dill, weights_only=True", "True", Verdict.RAISES, ["TC003"]),
        ("f, pickle_module=dill, weights_only=w", "not-known", Verdict.NOT_KNOWN, ["TC003"]),
        ("f, weights_only=True, mmap=True", "True", Verdict.OK, ["TC005"]),
        ("f, weights_only=True, mmap=False", "True", Verdict.OK, []),
    ],
)
def test_the_verdict_follows_from_the_arguments(arguments, chosen, verdict, found):
    text = f"import torch\ntorch.load({arguments})"

    assert [(site.weights_only, site.verdict) for site in read(text).sites] == [(chosen, verdict)]
    assert codes(text) == found


@pytest.mark.parametrize(
    ("before", "verdict"),
    [
        ("kwargs['weights_only'] = False", Verdict.EXECUTES),
        ("kwargs['weights_only'] = True", Verdict.OK),
        ("kwargs.setdefault('weights_only', False)", Verdict.EXECUTES),
        ("kwargs.setdefault('weights_only', True)", Verdict.NOT_KNOWN),
        ("kwargs['map_location'] = 'cpu'", Verdict.NOT_KNOWN),
    ],
)
def test_a_wrapper_is_judged_by_what_it_puts_into_its_keywords(before, verdict):
    text = f"import torch\ndef load(f, **kwargs):\n    {before}\n    return torch.load(f, **kwargs)"

    assert verdicts(text) == [verdict]


def test_a_constant_that_is_assigned_once_is_followed():
    assert codes("import torch\nSAFE = True\ntorch.load(f, weights_only=SAFE)") == []
    assert codes("import torch\nSAFE = True\nSAFE = x\ntorch.load(f, weights_only=SAFE)") == [
        "TC004"
    ]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("partial(torch.load)", Verdict.BY_VERSION),
        ("functools.partial(torch.load, weights_only=False)", Verdict.EXECUTES),
        ("partial(torch.load, weights_only=True)", Verdict.OK),
        ("map(torch.load, files)", Verdict.BY_VERSION),
        ("pool.submit(torch.load, f, weights_only=True)", Verdict.OK),
        ("retry(torch.load)", Verdict.NOT_KNOWN),
        ("Loader(read=torch.load)", Verdict.NOT_KNOWN),
        ("{'.pt': torch.load}", Verdict.NOT_KNOWN),
        ("def f(read=torch.load): ...", Verdict.NOT_KNOWN),
    ],
)
def test_a_loader_that_is_handed_on_is_a_site(text, verdict):
    assert verdicts(f"import torch\n{text}") == [verdict]


@pytest.mark.parametrize(
    "text",
    [
        "from torch.hub import load_state_dict_from_url\nload_state_dict_from_url(url)",
        "import torch\ntorch.hub.load_state_dict_from_url(url, progress=False)",
        "from torch.utils import model_zoo\nmodel_zoo.load_url(url)",
    ],
)
def test_a_download_executes_pickles_on_every_torch(text):
    assert verdicts(text) == [Verdict.EXECUTES]
    assert codes(text) == ["TC006"]


def test_a_download_with_weights_only_is_well_also_by_position():
    head = "from torch.hub import load_state_dict_from_url as get\n"

    assert verdicts(f"{head}get(url, weights_only=True)") == [Verdict.OK]
    assert verdicts(f"{head}get(url, d, None, True, True, name, True)") == [Verdict.OK]


@pytest.mark.parametrize(
    "imported",
    [
        "from lightning.fabric.utilities.cloud_io import _load as pl_load",
        "from lightning_fabric.utilities.cloud_io import _load as pl_load",
        "from pytorch_lightning.utilities.cloud_io import load as pl_load",
        "from pytorch_lightning.core.saving import pl_load",
    ],
)
def test_lightnings_loader_is_judged_by_lightnings_version(imported):
    assert verdicts(f"{imported}\npl_load(f)") == [Verdict.BY_LIGHTNING]
    assert verdicts(f"{imported}\npl_load(f, weights_only=None)") == [Verdict.BY_VERSION]
    assert verdicts(f"{imported}\npl_load(f, None, True)") == [Verdict.OK]


def test_a_site_says_what_becomes_of_it_before_and_from_torch_2_6_on():
    (site,) = read("import torch\ntorch.load(f)").sites

    assert site.to_dict()["stock"] == {"<=2.5": "executes", ">=2.6": "weights-only"}


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            "torch.load(f)",
            "torch.load without weights_only executes the file's pickle up to torch 2.5 and "
            "refuses other than plain tensors from 2.6 on.",
        ),
        (
            "torch.load(f, weights_only=None)",
            "torch.load with weights_only=None executes the file's pickle up to torch 2.5 and "
            "refuses other than plain tensors from 2.6 on.",
        ),
        (
            "torch.load(f, weights_only=False)",
            "torch.load with weights_only=False executes the file's pickle on every torch.",
        ),
        (
            "torch.load(f, weights_only=x)",
            "torch.load with a weights_only that is decided at run time.",
        ),
        ("retry(torch.load)", "torch.load is handed on: who calls it chooses weights_only."),
        (
            "torch.load(f, pickle_module=dill)",
            "torch.load with a pickle_module executes the file's pickle on every torch.",
        ),
        (
            "torch.load(f, pickle_module=dill, weights_only=True)",
            "torch.load with weights_only=True and a pickle_module raises on every torch.",
        ),
        (
            "torch.load(f, pickle_module=dill, weights_only=x)",
            "torch.load with a pickle_module raises where weights_only is True.",
        ),
        (
            "torch.load(f, weights_only=True, mmap=True)",
            "torch.load with mmap=True raises RuntimeError for a file in the legacy format.",
        ),
        (
            "torch.load(open(f, 'rb'), weights_only=True, mmap=True)",
            "torch.load with mmap=True raises ValueError for a file object.",
        ),
        (
            "torch.hub.load_state_dict_from_url(url)",
            "torch.hub.load_state_dict_from_url without weights_only executes the file's pickle "
            "on every torch.",
        ),
    ],
)
def test_each_sentence_names_the_call_and_what_becomes_of_the_file(call, sentence):
    assert messages(f"import torch\n{call}") == [sentence]


def test_the_sentence_about_lightning_names_its_versions():
    text = "from pytorch_lightning.core.saving import pl_load\npl_load(f)"

    assert messages(text) == [
        "pytorch_lightning.core.saving.pl_load without weights_only executes the file's pickle "
        "with lightning 2.4 to 2.5 on every torch, and with any other lightning on torch up to 2.5."
    ]


@pytest.mark.parametrize(
    "text",
    [
        "with open(f) as file:\n    torch.load(file, weights_only=True, mmap=True)",
        "from io import BytesIO\ntorch.load(BytesIO(b), weights_only=True, mmap=True)",
        "file = open(f)\ntorch.load(file, weights_only=True, mmap=True)",
    ],
)
def test_an_open_file_with_mmap_is_a_failure_and_no_note(text):
    assert [finding.level.value for finding in read(f"import torch\n{text}").findings] == [
        "warning"
    ]


def test_lines_and_columns_count_characters_from_one():
    (site,) = read("import torch\nä = '🙂'; x = torch.load(\n    f,\n)").sites

    assert (site.place.line, site.place.column) == (2, 14)
    assert (site.place.end_line, site.place.end_column) == (4, 2)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="match came with Python 3.10")
def test_a_case_that_may_not_run_takes_no_meaning_away():
    assert codes("import torch\nmatch x:\n    case [torch]: pass\ntorch.load(f)\n") == ["TC001"]
