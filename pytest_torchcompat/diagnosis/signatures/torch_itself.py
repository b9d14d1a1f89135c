"""torch itself: its API, its devices, its state dicts."""

from __future__ import annotations

from pytest_torchcompat.diagnosis.failure import CRASH, TIMEOUT
from pytest_torchcompat.diagnosis.signature import (
    CASE,
    GENERAL,
    LIBRARY,
    Remedy,
    Signature,
    advice,
    edit,
    pin,
    run,
)

_CUDA_ERRORS = ("RuntimeError", "AcceleratorError", "DeferredCudaCallError", "UserWarning")
_CUDA_SOURCE = "https://github.com/pytorch/pytorch/blob/v2.6.0/torch/cuda/__init__.py"
_GET_STARTED = "https://pytorch.org/get-started/locally/"
_STATE_DICTS = "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
_REINSTALL = 'python -m pip install --force-reinstall "torch=={torch}"'
_ON_CPU = edit('torch.load(path, map_location="cpu")', says="Map what the file holds to the CPU.")
_SEE_BUILD = run(
    'python -c "import torch; print(torch.__version__, torch.cuda.get_arch_list())"',
    says="See which architectures this torch is compiled for.",
)
_STACK = advice("The first lines of the output say which library it was in; update that one first.")


def _crash(name: str, what: str, cause: str, *remedies: Remedy) -> Signature:
    return Signature(
        id=f"crash-{name.lower()}",
        exceptions=(CRASH,),
        pattern=rf"\b{name}\b|Fatal Python error: {what}",
        cause=cause,
        remedies=remedies,
        link="https://docs.python.org/3/library/faulthandler.html",
        knows=GENERAL,
    )


_WEIGHT_NORM = (
    Signature(
        id="weightnorm-new-to-old",
        exceptions=("RuntimeError",),
        pattern=(
            r"(?s)Missing key\(s\) in state_dict:.*weight_g.*weight_v"
            r".*Unexpected key\(s\) in state_dict:.*parametrizations\.weight\.original0"
        ),
        cause=(
            "The state dict is of parametrizations.weight_norm, and the module of the older"
            " nn.utils.weight_norm, which does not know those keys."
        ),
        remedies=(
            edit(
                "state = {\n"
                '    key.replace("parametrizations.weight.original0", "weight_g").replace(\n'
                '        "parametrizations.weight.original1", "weight_v"\n'
                "    ): tensor\n"
                "    for key, tensor in state.items()\n"
                "}",
                says="Rename the keys before load_state_dict; the values are the same.",
            ),
        ),
        link="https://github.com/pytorch/pytorch/blob/v2.8.0/torch/nn/utils/parametrizations.py",
    ),
    Signature(
        id="weightnorm-deepcopy",
        exceptions=("RuntimeError",),
        pattern=(
            r"Only Tensors created explicitly by the user \(graph leaves\) support the deepcopy"
            r" protocol at the moment"
        ),
        cause=(
            "copy.deepcopy copies no tensor that was computed with a gradient. A module with"
            " nn.utils.weight_norm keeps one: HuBERT of fairseq and RVC's synthesizer do."
        ),
        remedies=(
            edit(
                "torch.nn.utils.remove_weight_norm(module)",
                says="Where it is that, remove the norm before the copy, if you do not train.",
            ),
            edit(
                "conv = torch.nn.utils.parametrizations.weight_norm(conv)",
                says="Or write the newer weight norm, whose modules can be copied.",
            ),
            edit("copy = tensor.detach().clone()", says="Of a tensor, copy the values alone."),
        ),
        link="https://github.com/pytorch/pytorch/pull/103001",
    ),
    Signature(
        id="weightnorm-pickle",
        exceptions=("RuntimeError",),
        pattern=r"Serialization of parametrized modules is only supported through state_dict\(\)",
        cause="A module with a parametrization, such as weight norm, can't be pickled as a whole.",
        remedies=(edit("torch.save(model.state_dict(), path)", says="Save its state dict."),),
        link=_STATE_DICTS,
    ),
)

_DEVICES = (
    Signature(
        id="cuda-no-kernel-image",
        exceptions=_CUDA_ERRORS,
        pattern=(
            r"no kernel image is available for execution on the device"
            r"|with CUDA capability (?P<sm>sm_\d+) is not compatible with the current PyTorch"
        ),
        cause=(
            "This torch, or a library that brings kernels of its own, is not compiled for the GPU's"
            " architecture."
        ),
        remedies=(
            pin(
                "torch>=2.8",
                says="PyPI's wheels have sm_120 (RTX 50) and sm_100 (B200) since 2.8.",
                when=("torch<2.8",),
            ),
            pin(
                "torch==2.6.*",
                says="For a GPU before sm_70: 2.6 is the last measured with sm_50 and sm_60.",
                when=("torch>=2.8",),
            ),
            run(
                "torchcompat doctor",
                says="Compare the GPU with what torch is compiled for.",
            ),
            _SEE_BUILD,
        ),
        link="https://github.com/pytorch/pytorch/issues/167244",
    ),
    Signature(
        id="cuda-gpu-too-old",
        exceptions=_CUDA_ERRORS,
        pattern=r"PyTorch no longer supports this GPU because it is too old",
        cause="This torch is compiled for newer GPUs than the one here.",
        remedies=(
            pin(
                "torch==2.6.*",
                says="2.6 is the last measured whose wheels on PyPI have sm_50 and sm_60.",
                when=("torch>2.6",),
            ),
            _SEE_BUILD,
        ),
        link=_CUDA_SOURCE,
    ),
    Signature(
        id="cuda-out-of-memory",
        exceptions=("OutOfMemoryError", "RuntimeError", "AcceleratorError"),
        pattern=r"CUDA out of memory\.|CUDA error: out of memory",
        cause="The GPU has not enough free memory: it is too small for this, or others use it.",
        remedies=(
            run("nvidia-smi", says="See which processes hold its memory."),
            run(
                "export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True",
                says="Where much is reserved and not allocated, let torch's segments grow.",
            ),
            _ON_CPU,
        ),
        link="https://pytorch.org/docs/stable/notes/cuda.html#environment-variables",
        knows=GENERAL,
    ),
    Signature(
        id="cuda-no-driver",
        exceptions=_CUDA_ERRORS,
        pattern=r"Found no NVIDIA driver on your system",
        cause="torch has CUDA, and this machine no NVIDIA driver, or a container without access.",
        remedies=(
            run("nvidia-smi", says="If it fails too, install the driver."),
            advice("In a container, start it with access to the GPU: docker run --gpus all."),
            _ON_CPU,
        ),
        link="https://www.nvidia.com/Download/index.aspx",
    ),
    Signature(
        id="cuda-driver-too-old",
        exceptions=_CUDA_ERRORS,
        pattern=(
            r"The NVIDIA driver on your system is too old \(found version (?P<found>\d+)\)"
            r"|CUDA driver version is insufficient for CUDA runtime version"
        ),
        cause="The NVIDIA driver is older than the CUDA that this torch is built for.",
        remedies=(
            run("nvidia-smi", says="See which CUDA the driver serves, and update the driver."),
            pin(
                "torch==2.6.*",
                says="Or install a torch for an older CUDA: 2.6 on PyPI is for 12.4.",
                when=("torch>=2.8",),
            ),
            advice("Builds for other CUDA versions are at the link."),
        ),
        link=_GET_STARTED,
    ),
    Signature(
        id="cuda-fork",
        exceptions=("RuntimeError",),
        pattern=r"Cannot re-initialize CUDA in forked subprocess",
        cause="A forked process uses CUDA, which its parent has used already.",
        remedies=(
            edit(
                'torch.multiprocessing.set_start_method("spawn")',
                says="Start processes anew, at the top of the program.",
            ),
        ),
        link="https://pytorch.org/docs/stable/notes/multiprocessing.html",
    ),
    Signature(
        id="cudnn-incompatible",
        exceptions=("RuntimeError",),
        pattern=r"cuDNN version incompatibility: PyTorch was compiled\s+against",
        cause="Another cuDNN than torch's own is found first, mostly through LD_LIBRARY_PATH.",
        remedies=(
            run("unset LD_LIBRARY_PATH", says="Let torch find the cuDNN that it came with."),
            run(_REINSTALL, says="If that is not all, install torch's own libraries again."),
        ),
        link="https://github.com/pytorch/pytorch/blob/v2.6.0/torch/backends/cudnn/__init__.py",
    ),
    Signature(
        id="cuda-nvjitlink",
        exceptions=("ImportError", "OSError"),
        pattern=r"undefined symbol: __nvJitLink\w+, version libnvJitLink",
        cause=(
            "torch's cuSPARSE finds an older libnvJitLink than its own: another package or"
            " LD_LIBRARY_PATH brings it."
        ),
        remedies=(
            run("unset LD_LIBRARY_PATH", says="Let torch find the libraries that it came with."),
            run(
                _REINSTALL, says="If that is not all, install them again, as this torch wants them."
            ),
        ),
        link="https://github.com/pytorch/pytorch/issues/134929",
    ),
)

_STATE = (
    Signature(
        id="state-dict-sizes",
        exceptions=("RuntimeError",),
        pattern=(
            r"size mismatch for (?P<key>[\w.]+): copying a param with shape"
            r" torch\.Size\(\[(?P<stored>[^\]]*)\]\) from checkpoint, the shape in current model is"
            r" torch\.Size\(\[(?P<wanted>[^\]]*)\]\)"
        ),
        cause="{key} is [{stored}] in the file and [{wanted}] in the model: two configurations.",
        remedies=(
            advice("Build the model with the configuration that the file was trained with."),
            run("torchcompat scan FILE", says="See what the file holds."),
        ),
        link=_STATE_DICTS,
        knows=GENERAL,
    ),
    Signature(
        id="state-dict-keys",
        exceptions=("RuntimeError",),
        pattern=(
            r"(?s)^(?!.*size mismatch for )"
            r".*(?:Missing|Unexpected) key\(s\) in state_dict: \"(?P<key>[^\"]+)\""
        ),
        cause="The file's keys are not the model's, the first of them {key}: another architecture.",
        remedies=(
            advice(
                "Build the model of the version that the file was saved with, or rename the keys."
            ),
            advice("strict=False hides this: what is missing keeps its random weights."),
        ),
        link=_STATE_DICTS,
        knows=GENERAL,
    ),
    Signature(
        id="state-dict-module-prefix",
        exceptions=("RuntimeError",),
        pattern=r"Unexpected key\(s\) in state_dict: \"(?P<prefix>module|_orig_mod)\.",
        cause=(
            "The keys begin with {prefix}., as the model was wrapped when it was saved: by"
            " DataParallel (module) or torch.compile (_orig_mod)."
        ),
        remedies=(
            edit(
                "torch.nn.modules.utils.consume_prefix_in_state_dict_if_present("
                'state, "{prefix}.")',
                says="Take the prefix off before load_state_dict.",
            ),
        ),
        link="https://pytorch.org/docs/stable/generated/torch.nn.modules.utils.consume_prefix_in_state_dict_if_present.html",
    ),
    Signature(
        id="state-dict-nested",
        exceptions=("RuntimeError",),
        pattern=(
            r"Unexpected key\(s\) in state_dict:(?:.*, )? "
            r"?\"(?P<key>state_dict|model_state_dict|model|net|params|params_ema|generator)\"[,.]"
        ),
        cause="The state dict lies in the file under {key}, beside other things.",
        remedies=(
            edit(
                'model.load_state_dict(torch.load(path, map_location="cpu")["{key}"])',
                says="Load that.",
            ),
        ),
        link=_STATE_DICTS,
    ),
    Signature(
        id="state-dict-is-model",
        exceptions=("TypeError",),
        pattern=r"Expected state_dict to be dict-like, got <class '(?P<kind>[\w.]+)'>",
        cause="The file holds a whole model ({kind}), and no state dict.",
        remedies=(
            edit(
                "model.load_state_dict(loaded.state_dict())",
                says="Take its state dict, or use it as it is.",
            ),
        ),
        link=_STATE_DICTS,
    ),
)


def _lacks(name: str, since: str, names: str, link: str, *remedies: Remedy) -> Signature:
    return Signature(
        id=f"torch-lacks-{name}",
        exceptions=("AttributeError",),
        pattern=rf"module 'torch' has no attribute '(?P<a>{names})'",
        cause=f"A library uses torch.{{a}}, which this torch is too old for; {since} has it.",
        remedies=(
            *remedies,
            pin(f"torch>={since}", says="Or update torch.", when=(f"torch<{since}",)),
        ),
        link=link,
        knows=LIBRARY,
        applies=(f"torch<{since}",),
    )


_NAMES = (
    _lacks(
        "accelerator",
        "2.6",
        "accelerator",
        "https://pytorch.org/docs/stable/accelerator.html",
        pin(
            "transformers<5",
            says="Install a transformers that goes with this torch.",
            when=("transformers>=5",),
        ),
    ),
    _lacks(
        "unsigned",
        "2.3",
        "uint16|uint32|uint64",
        "https://github.com/safetensors/safetensors/issues/641",
        pin("safetensors<0.6", says="Install a safetensors that goes with this torch."),
    ),
    _lacks(
        "float8-e8m0fnu",
        "2.8",
        "float8_e8m0fnu",
        "https://github.com/huggingface/transformers/issues/46515",
        pin(
            "transformers<5",
            says="Install a transformers that goes with this torch.",
            when=("transformers>=5",),
        ),
    ),
    Signature(
        id="torch-lacks-name",
        exceptions=("AttributeError",),
        pattern=r"^module 'torch(?:\.[\w.]+)?' has no attribute '(?P<a>\w+)'",
        cause="This torch has no {a}: it came later or is gone, or the name is misspelt.",
        remedies=(
            advice(
                "Where a library asks for it, install the release that was current when this torch"
                " came out."
            ),
            run(
                "python -m pip install -U torch", says="Or update torch, if the name is a new one."
            ),
        ),
        link="https://github.com/pytorch/pytorch/releases",
        knows=GENERAL,
    ),
    Signature(
        id="transformers-torch-too-old",
        exceptions=("ImportError",),
        pattern=(
            r"requires PyTorch >= (?P<needs>[\d.]+), but PyTorch was not found or an older version"
        ),
        cause="This transformers takes no torch before {needs}, and goes on without it.",
        remedies=(
            pin(
                "transformers<5",
                says="Install a transformers that goes with this torch.",
                when=("torch>=2.2,<2.6", "transformers>=5"),
            ),
            pin("torch>={needs}", says="Or update torch."),
        ),
        link="https://github.com/huggingface/transformers",
    ),
    Signature(
        id="torch-six",
        exceptions=("ModuleNotFoundError",),
        pattern=r"No module named 'torch\._six'",
        cause="A program imports torch._six, a private module that torch 2 removed.",
        remedies=(
            edit(
                "from math import inf\n\nstring_classes = (str, bytes)\nint_classes = int",
                says="Write what it stood for.",
            ),
            advice("Or update the library that imports it."),
        ),
        link="https://github.com/pytorch/pytorch/pull/94709",
        knows=CASE,
    ),
)

_ENDS = (
    _crash(
        "SIGKILL",
        "Killed",
        "The process was killed from outside, mostly as it used more memory than there is.",
        edit(
            'torch.load(path, map_location="cpu", mmap=True)',
            says="Read a large file piece by piece, where torch saved it as a zip.",
            when=("torch>=2.1",),
        ),
        advice("Give the machine or the container more memory, or run less at once."),
    ),
    _crash(
        "SIGSEGV",
        "Segmentation fault",
        "Compiled code read memory that is not its own: mostly libraries built for one another's"
        " other versions.",
        _STACK,
        run("torchcompat doctor", says="See which of the installed packages do not go together."),
    ),
    _crash(
        "SIGILL",
        "Illegal instruction",
        "Compiled code uses an instruction that this processor does not have, such as AVX2.",
        _STACK,
        run("lscpu", says="See whether the processor has avx and avx2."),
    ),
    _crash(
        "SIGBUS",
        "Bus error",
        "A file that is mapped into memory became shorter, or /dev/shm is full.",
        run(
            "df -h /dev/shm", says="See how much is left; docker run has --shm-size and --ipc=host."
        ),
        advice("If a checkpoint was mapped (mmap=True), do not change the file meanwhile."),
    ),
    _crash(
        "SIGABRT",
        "Aborted",
        "A library ended the process by itself, after a check of its own failed.",
        _STACK,
    ),
    Signature(
        id="timeout",
        exceptions=(TIMEOUT,),
        pattern=r"not done after (?P<seconds>\d+) s",
        cause="It took longer than {seconds} s: it hangs, or the machine is slow.",
        remedies=(
            run(
                "export OMP_NUM_THREADS=1",
                says="Where many processes share few cores, let each use one thread.",
            ),
            advice("Give it more time, if it ends when it is run alone."),
        ),
        link="https://pytorch.org/docs/stable/notes/multiprocessing.html",
        knows=GENERAL,
    ),
)

SIGNATURES: tuple[Signature, ...] = (*_WEIGHT_NORM, *_DEVICES, *_STATE, *_NAMES, *_ENDS)
