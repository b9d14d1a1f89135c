"""fairseq, with omegaconf and hydra."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.signature import (
    CASE,
    Signature,
    advice,
    allow,
    edit,
    pin,
    run,
    shim,
)

_OLD_CONFIGS = 'uv pip install "omegaconf<2.1" "hydra-core<1.1"'

SIGNATURES: tuple[Signature, ...] = (
    Signature(
        id="wo-fairseq-dictionary",
        exceptions=("UnpicklingError",),
        pattern=r"GLOBAL (?P<g>fairseq\.data\.dictionary\.Dictionary) was not an allowed global",
        cause=(
            "The checkpoint keeps fairseq's label dictionary beside its weights, and fairseq 0.12.2"
            " loads it without saying weights_only."
        ),
        remedies=(
            allow("Allow the dictionary; most files of fairseq name nothing else."),
            advice(
                "Install fairseq from its repository at 3d262bb2 or later, which passes"
                " weights_only=False; its version still reads 0.12.2."
            ),
        ),
        link="https://github.com/RVC-Project/Retrieval-based-Voice-Conversion-WebUI/issues/2575",
        knows=CASE,
    ),
    Signature(
        id="fairseq-py311-dataclass",
        exceptions=("ValueError",),
        pattern=(
            r"mutable default <class '(?:fairseq|hydra)\.[\w.]+'> for field \w+ is not allowed:"
            r" use default_factory"
        ),
        cause=(
            "fairseq 0.12.2 and hydra 1.0 have dataclass instances as defaults of fields, which"
            " Python refuses since 3.11."
        ),
        remedies=(
            shim("dataclass-defaults", says="Let such defaults pass while they are imported."),
            run("uv venv --python 3.10", says="Or use Python 3.10, which torch 2.14 still has."),
        ),
        link="https://github.com/facebookresearch/fairseq/issues/5634",
        applies=("python>=3.11",),
    ),
    Signature(
        id="fairseq-missing-type",
        exceptions=("ValidationError",),
        pattern=r"Object of unsupported type: '_MISSING_TYPE'",
        cause=(
            "fairseq's configs.py was edited to default_factory for Python 3.11, and its hydra_init"
            " still stores each field's default, which is then MISSING."
        ),
        remedies=(
            run(
                'python -m pip install --force-reinstall --no-deps "fairseq==0.12.2"',
                says="Undo the edits, and use the shim dataclass-defaults instead.",
            ),
            shim("dataclass-defaults", says="What then lets Python 3.11 and later import it."),
        ),
        link="https://github.com/ddlBoJack/emotion2vec/issues/31",
        knows=CASE,
        among=("fairseq",),
    ),
    Signature(
        id="fairseq-is-primitive",
        exceptions=("AttributeError",),
        pattern=r"module 'omegaconf\._utils' has no attribute 'is_primitive_type'",
        cause=(
            "An older fairseq, or a program made of it, uses a private function that omegaconf 2.2"
            " removed."
        ),
        remedies=(
            run(
                _OLD_CONFIGS,
                says="Install the omegaconf that it was written for; pip 24.1 and later refuse it.",
            ),
            pin(
                "fairseq==0.12.2",
                says="fairseq 0.12.2 goes with newer ones as well.",
                when=("fairseq<0.12.2",),
            ),
        ),
        link="https://github.com/microsoft/BioGPT/issues/88",
        knows=CASE,
    ),
    Signature(
        id="fairseq-float-config",
        exceptions=("ValidationError",),
        pattern=(
            r"Value '(?P<value>-?\d+\.0*)'(?: of type 'float')? could not be converted to Integer"
            r"\s+full_key: (?P<key>[\w.]+)"
        ),
        cause="The checkpoint's configuration has {value} for {key}, where fairseq has an integer.",
        remedies=(
            shim("omegaconf-integers", says="Take whole numbers that are stored as floats."),
            edit(
                'saved = torch.load(path, map_location="cpu", weights_only=False)\n'
                'for part in saved["cfg"].values():\n'
                '    if isinstance(part, dict) and "{key}" in part:\n'
                '        part["{key}"] = int(part["{key}"])\n'
                "torch.save(saved, path)",
                says="Or save the file again with an integer, where you trust it; more may follow.",
            ),
        ),
        link="https://github.com/facebookresearch/fairseq/issues/2935",
        among=("fairseq",),
    ),
    Signature(
        id="fairseq-pos-conv",
        exceptions=("RuntimeError",),
        pattern=(
            r"(?s)(?:Missing key\(s\) in state_dict|size mismatch for)"
            r".*encoder\.pos_conv\.0\.weight_[gv]"
        ),
        cause=(
            "The file has another weight norm at encoder.pos_conv.0 than fairseq's module: of"
            " torch's parametrization, with one norm for each channel, or none."
        ),
        remedies=(
            shim("pos-conv-weight-norm", says="Map the file's weights to fairseq's layout."),
            advice("Do not load with strict=False: the module would keep random weights."),
        ),
        link="https://github.com/facebookresearch/fairseq/blob/v0.12.2/fairseq/models/wav2vec/wav2vec2.py",
        knows=CASE,
    ),
    Signature(
        id="fairseq-dictionary-file",
        exceptions=("FileNotFoundError",),
        pattern=r"No such file or directory: '(?P<path>(?:[^']*[\\/])?dict(?:\.[\w.]+)?\.txt)'",
        cause=(
            "fairseq looks for a label dictionary where the checkpoint was trained ({path}), as the"
            " file itself has none."
        ),
        remedies=(
            edit(
                "from fairseq import checkpoint_utils\n\n"
                "models, cfg, task = checkpoint_utils.load_model_ensemble_and_task(\n"
                '    [path], arg_overrides={"data": folder, "label_dir": folder}\n'
                ")",
                says="Put the dictionary into a folder of yours, and say which.",
            ),
            advice("Take fairseq's own file of that model: later ones hold their dictionaries."),
        ),
        link="https://github.com/facebookresearch/fairseq/issues/3663",
        among=("fairseq",),
    ),
    Signature(
        id="fairseq-unknown-task",
        exceptions=("AssertionError",),
        pattern=r"Could not infer task type from \{'_name': '(?P<task>\w+)'",
        cause="The checkpoint's task is {task}, which the installed fairseq has not registered.",
        remedies=(
            edit(
                "import argparse\n"
                "from fairseq import utils\n\n"
                "utils.import_user_module(argparse.Namespace(user_dir=folder))",
                says="Import the code of the project that has the task, before the file is loaded.",
            ),
            advice("Its documentation says which folder: fairseq's --user-dir (common.user_dir)."),
        ),
        link="https://fairseq.readthedocs.io/en/latest/tasks.html",
    ),
    Signature(
        id="fairseq-unknown-model",
        exceptions=("KeyError",),
        pattern=r"^\"?'_name'\"?$",
        cause=(
            "The checkpoint's model is none that the installed fairseq has registered, which then"
            " stumbles over its configuration."
        ),
        remedies=(
            edit(
                "import argparse\n"
                "from fairseq import utils\n\n"
                "utils.import_user_module(argparse.Namespace(user_dir=folder))",
                says="Import the code of the project that has the model, before it is loaded.",
            ),
        ),
        link="https://fairseq.readthedocs.io/en/latest/models.html",
        among=("fairseq",),
    ),
    Signature(
        id="fairseq-not-its-file",
        exceptions=("KeyError",),
        pattern=r"^'best_loss'$",
        cause=(
            "The file is no checkpoint of fairseq, but a state dict or another program's: fairseq"
            " takes it for one of its oldest."
        ),
        remedies=(
            run("torchcompat scan FILE", says="See what the file holds."),
            advice(
                "Load it with the library that made it; one of transformers is no fairseq file."
            ),
        ),
        link="https://github.com/facebookresearch/fairseq/issues/5060",
        knows=CASE,
        among=("fairseq",),
    ),
    Signature(
        id="fairseq-extensions",
        exceptions=("ImportError", "ValueError", "ModuleNotFoundError"),
        pattern=(
            r"Please build (?:\(or rebuild\) )?Cython components with"
            r"|No module named 'fairseq\.data\.(?:data_utils|token_block_utils)_fast'"
        ),
        cause="fairseq's compiled parts were not built, or for another Python.",
        remedies=(
            run(
                'uv pip install --reinstall --no-deps --no-cache "fairseq==0.12.2"',
                says="Build it again, in this environment: it takes a C++ compiler.",
            ),
        ),
        link="https://github.com/facebookresearch/fairseq/issues/3351",
    ),
)
