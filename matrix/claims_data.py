"""
What the documents of five systems assert: RVC, textless speech, YOLO, AllTalk, Style-BERT-VITS2.

Each is said in our own words and by whom in general. No verdict is written here.
"""

from __future__ import annotations

from matrix.claims import RUNS, WORKS, Claim, Finding, Of, Part
from pytest_torchcompat.checkpoints.catalogue import Checkpoint
from pytest_torchcompat.checkpoints.rows import catalogue
from pytest_torchcompat.outcome import Outcome, Stage
from pytest_torchcompat.policies import Policy

_STOCK, _PATCHED = Policy.STOCK.value, Policy.PATCHED.value
_ALLOWLISTED, _STRICT = Policy.ALLOWLISTED.value, Policy.STRICT.value
_FAIL, _REFUSED = Outcome.FAIL.value, Outcome.REFUSED.value
# What the default of torch.load says, and what it says under a policy that enforces it.
_REFUSAL = "Weights only load failed|WeightsUnpickler|[Uu]nsupported (global|class|operand)"
_LOADED = (Finding(RUNS),)
_WORKED = (Finding(WORKS),)
_TURNED_AWAY = (Finding((_REFUSED,)), Finding((_FAIL,), message=_REFUSAL))


def _row(identifier: str) -> Checkpoint:
    return catalogue().get(identifier)


_YOLO = "ultralytics/yolov8n"


def _yolo(torch: str) -> Of:
    return Of((_YOLO,), "ultralytics", "==8.1.0", torch=torch, policies=(_STOCK,))


_YOLO_TABLE = Claim(
    "yolo-torch-table",
    "ultralytics 8.1.0 reads YOLOv8 on torch 2.3 to 2.5 and fails from 2.6 on",
    "tables of versions in guides for YOLO",
    (
        Part(
            "it works on torch 2.3 and 2.4",
            _yolo("<2.5"),
            _WORKED,
            _TURNED_AWAY,
            note="the sweep begins with torch 2.5",
        ),
        Part("it works on torch 2.5", _yolo("==2.5.*"), _WORKED, _TURNED_AWAY),
        Part("it fails from torch 2.6 on", _yolo(">=2.6"), _TURNED_AWAY, _LOADED),
        Part("it fails on torch 2.9", _yolo("==2.9.*"), _TURNED_AWAY, _LOADED),
    ),
)

# As their authors published them, without those that were edited after reports.
_PUBLISHED = (
    "rvc/hubert-base",
    "fairseq/hubert-base-ls960",
    "fairseq/mhubert-base-vp",
    "fairseq/wav2vec-small",
)
_ALLOWED_FAIRSEQ = Of(_PUBLISHED, policies=(_ALLOWLISTED,))

_NO_ALLOWLIST = Claim(
    "fairseq-no-allow-list",
    "add_safe_globals does not help with what fairseq pickles",
    "notes of forks of RVC",
    (
        Part(
            "with its globals registered torch still refuses the checkpoint",
            _ALLOWED_FAIRSEQ,
            _TURNED_AWAY,
            _LOADED,
        ),
    ),
)

_SMALL = ("fairseq.data.dictionary.Dictionary", "argparse.Namespace")

_SMALL_ALLOWLIST = Claim(
    "fairseq-small-allow-list",
    "fairseq's Dictionary and argparse's Namespace are all that has to be allowed",
    "notes on textless speech",
    (
        Part(
            "the files pickle no other global beyond torch's own",
            _ALLOWED_FAIRSEQ,
            (Finding(globals_within=_SMALL),),
        ),
        Part("with these registered they load", _ALLOWED_FAIRSEQ, _LOADED, _TURNED_AWAY),
    ),
)

_RVC_CLASSES = Claim(
    "rvc-custom-classes",
    "every checkpoint of RVC contains custom classes",
    "notes of forks of RVC",
    (
        Part(
            "torch loads none of them with weights_only=True alone",
            Of(("rvc/*",), policies=(_STRICT,)),
            _TURNED_AWAY,
            _LOADED,
        ),
    ),
)

# Ten times what the row allows for another build's rounding: a difference of this size could
# still be called none. It is generous to the claim.
NEGLIGIBLE = 10 * _row("rvc/hubert-base").tolerance

_RANDOM_POS_CONV = Claim(
    "random-pos-conv",
    "random weights in HuBERT's positional convolution have a negligible impact",
    "notes of forks of RVC",
    (
        Part(
            f"the features change by at most {NEGLIGIBLE:.0%}",
            Of(("rvc/hubert-base",), use="random-pos-conv"),
            (Finding(error_at_most=NEGLIGIBLE),),
            note=f"{NEGLIGIBLE:.0%} is ten times the tolerance of the checkpoint's parity; of a "
            "replica, whose weights were never trained, the figure says how much the layer "
            "carries and not how speech sounds",
        ),
    ),
)

_VARIABLE = Claim(
    "load-variable",
    "TORCH_LOAD_WEIGHTS_ONLY=0 brings the old default of torch.load back",
    "answers in issue threads, repeated in several guides",
    (
        Part(
            "torch.load looks at a variable of this name",
            Of(library="torch"),
            (Finding(reads="TORCH_LOAD_WEIGHTS_ONLY"),),
            note="what torch names are the variables in the source of the module that defines "
            "torch.load",
        ),
    ),
)


def _exactly(identifier: str) -> tuple[Part, ...]:
    names = _row(identifier).globals
    # Before 2.6 nothing had to be allowed, and torch's own list was shorter.
    since = ">=2.6"
    return (
        Part(
            f"{identifier} pickles {', '.join(names)}, and no other global beyond torch's own",
            Of((identifier,), torch=since, policies=(_STRICT,)),
            (Finding(globals=names),),
            note="of a replica this says no more than that it was made so: the reference tells",
        ),
        Part(
            "with these registered it loads",
            Of((identifier,), torch=since, policies=(_ALLOWLISTED,)),
            _LOADED,
            _TURNED_AWAY,
        ),
    )


_XTTS_CLASSES = Claim(
    "xtts-four-classes",
    "XTTS needs exactly four classes to be allowed",
    "guides for AllTalk",
    _exactly("coqui/xtts-v2"),
)

_PYANNOTE_GLOBALS = Claim(
    "pyannote-four-globals",
    "pyannote's models need exactly four globals to be allowed",
    "notes on Style-BERT-VITS2",
    (
        *_exactly("pyannote/wespeaker-voxceleb-resnet34-lm"),
        *_exactly("pyannote/segmentation-3.0"),
    ),
)

_RTX_5080 = Claim(
    "rtx-5080",
    "an RTX 5080 is SM 8.9 and needs a nightly build for CUDA 12.9",
    "guides for RTX 50 cards",
    (
        Part(
            "its compute capability is 8.9",
            note="a fact of the hardware, which no sweep computes; NVIDIA's table has 12.0",
        ),
        Part(
            "no released build of torch is compiled for sm_120, its architecture",
            Of(library="torch", released=True),
            (Finding(not_built_for="sm_120"),),
        ),
    ),
)

_ISIN = ("isin-numbers",)


# What transformers 4.41 to 4.43 did to copies of an older ``generate``, one after the other.
_STREAM_BREAKS = (
    Finding((_FAIL,), message=r"isin\(\)|_get_logits_warper"),
    Finding(shims=_ISIN),
)


def _streaming(transformers: str, library: str = "*") -> Of:
    return Of(
        ("coqui/xtts-v2",),
        library,
        policies=(_PATCHED, _ALLOWLISTED),
        use="stream",
        reached=Stage.FORWARD,
        distributions={"transformers": transformers},
    )


_STREAMING = Claim(
    "xtts-stream-transformers",
    "streaming XTTS needs transformers 4.42.4",
    "guides for AllTalk",
    (
        Part(
            "coqui-tts streams with transformers 4.42.4",
            _streaming("==4.42.4", "coqui-tts"),
            (Finding(RUNS, without=_ISIN),),
            _STREAM_BREAKS,
        ),
        Part(
            "the old TTS streams with it",
            _streaming("==4.42.4", "TTS"),
            (Finding(RUNS, without=_ISIN),),
            _STREAM_BREAKS,
        ),
        Part(
            "with another neither streams",
            _streaming("!=4.42.4"),
            _STREAM_BREAKS,
            (Finding(RUNS, without=_ISIN),),
        ),
    ),
)

_INTEGERS = ("omegaconf-integers",)
_FLOATS_REFUSED = (
    Finding(RUNS, shims=_INTEGERS),
    Finding((_FAIL,), message="converted to Integer|type 'float'"),
)


def _float_config(omegaconf: str) -> Of:
    return Of(("fairseq/hubert-float-config",), distributions={"omegaconf": omegaconf})


_OMEGACONF = Claim(
    "omegaconf-floats",
    "OmegaConf 2.1 is why a configuration with floats for integers fails",
    "notes on textless speech",
    (
        Part(
            "before 2.1 such a checkpoint loads",
            _float_config("<2.1"),
            (Finding(RUNS, without=_INTEGERS),),
            _FLOATS_REFUSED,
        ),
        Part(
            "from 2.1 on it does not",
            _float_config(">=2.1"),
            _FLOATS_REFUSED,
            (Finding(RUNS, without=_INTEGERS),),
            note="fairseq's own pin keeps omegaconf below 2.1",
        ),
    ),
)

CLAIMS = (
    _YOLO_TABLE,
    _NO_ALLOWLIST,
    _SMALL_ALLOWLIST,
    _RVC_CLASSES,
    _RANDOM_POS_CONV,
    _VARIABLE,
    _XTTS_CLASSES,
    _PYANNOTE_GLOBALS,
    _RTX_5080,
    _STREAMING,
    _OMEGACONF,
)
