"""What benchmarks/fuzz.py feeds to the commands: real inputs, changed, and hostile ones that are made up.

Every case is drawn by hypothesis as a base and a few edits, so that a failing one shrinks to the edits that matter.
"""

import gzip
import hashlib
import json
import random
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "museum"))


class Entry(NamedTuple):
    """What lies at a path."""

    kind: Literal["file", "program", "link", "pipe", "folder", "hole"] = "file"
    data: bytes = b""
    """Bytes, target of a link, or how many bytes a file without any seems to have."""


class Case(NamedTuple):
    """One run of a command in a folder of its own; HERE in arguments, variables and files is that folder."""

    argv: tuple[str, ...]
    files: dict[str, Entry]
    env: dict[str, str] = {}


def _secret(before: str, start: str, length: int, after: str = "") -> tuple[str, str]:
    secret = start + hashlib.sha256(before.encode()).hexdigest()[:length]
    return before + secret + after, secret


SECRETS = (
    _secret("HF_TOKEN=", "hf_", 34),
    _secret('{"api_key": "', "Q", 31, '"}'),
    _secret("{'password': '", "Z", 19, "'}"),
    _secret("Authorization: Bearer ", "R", 36),
    _secret("https://alice:", "p", 15, "@example.org/simple"),
    _secret("git clone https://", "ghp_", 36, "@github.com/a/b"),
    _secret("train.py --token ", "T", 29),
    _secret("machine example.org login alice password ", "M", 13),
    _secret("OPENAI_API_KEY=", "sk-proj-", 40),
)
"""A line that holds a secret, and the secret, which is nowhere else."""
EVIL = (
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[31m",
    "\u202egpj.exe",
    "\x9b31m",
    "\u2066\u200b",
    "\r",
    "\x00",
    "\b\b\b",
)
"""What acts on a terminal or hides text."""
PIECES = (
    *EVIL, "\n", "\n\n", "\t", "\ufeff", "\ud800", "\uff11", "\u0661", "  ", "| ", "> ", "```\n", "- ",
    "Traceback (most recent call last):\n", '  File "/a/b.py", line 1, in <module>\n', "    x = 1\n",
    "RuntimeError: CUDA error: ", "ImportError: ", "[rank0]: ", "(pid=12) ", "PyTorch version: ", "2.9.1+cu130",
    "CUDA used to build PyTorch: ", "[pip3] ", "torch==", "(from versions: ", "none)", "GPU 0: ",
    "NVIDIA GeForce RTX 4090", "+----", "|===", "Driver Version: ", "CUDA Version: ", "Requirement already satisfied: ",
    " requires ", ">=1,<2", ", but you have ", " which is incompatible.", "Because ", " depends on ", "==", "!=", "~=",
    "; extra == ", ";", ",", "=", ":", "(", ")", "[", "]", "{", "}", "<", "\\", "/", "'", '"', "#", "%", "@", "..",
    "../", "/home/", "C:\\Users\\", "0x", "-1", "1e999", "9" * 30, "NVRM: Xid (PCI:0000:01:00): 79, ", "gfx1100",
    "out of memory", "GiB", "token", "secret-", "key=", "-", "libcudart.so.12: cannot open shared object file",
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, 10**30, -(2**63), 1e308, -0.0, float("nan"), float("inf"))
DEEP = "@deep@"
"""Stands for lists in lists, which no writer of JSON writes."""
_AT = st.integers(0, 1000)
_NAMES = st.sampled_from(
    ("a", "b c", "-v", "..x", "é", "x\x1b[31my", "\u202etxt.exe", "x\udcff", "[red]", "n" * 200)
)

pieces = st.sampled_from(PIECES) | st.text(max_size=12)
edits = st.lists(
    st.tuples(st.sampled_from(("cut", "put", "number")), _AT, _AT, pieces)
    | st.tuples(st.just("splice"), _AT, _AT, st.integers(0, 10**6))
    | st.tuples(st.just("repeat"), _AT, st.integers(1, 80), st.sampled_from((2, 100, 10_000, 250_000)))
    | st.tuples(st.just("plant"), _AT, st.just(0), st.sampled_from(SECRETS)),
    max_size=7,
)  # fmt: skip


def edited(text: str, changes: list[Any], others: list[str]) -> str:
    """Return a text with edits, at most 1.5 Mi characters."""
    for kind, where, size, what in (one for one in changes if one[0] != "plant"):
        at = where * len(text) // 1000
        if kind == "cut":
            text = text[:at] + text[at + size * len(text) // 2000 :]
        elif kind == "put":
            text = text[:at] + what + text[at:]
        elif kind == "number":
            end = next((i for i in range(at, min(len(text), at + 500)) if text[i].isdigit()), at)
            text = text[:end] + str(NUMBERS[size % len(NUMBERS)]) + text[end + 1 :]
        elif kind == "splice":
            other = others[what % len(others)]
            text = text[:at] + other[size * len(other) // 1000 :][:20_000] + text[at:]
        else:
            piece = text[at : at + size] or " "
            text = text[:at] + piece * max(1, min(what, 250_000 // len(piece))) + text[at:]
    lines = text[: 3 << 19].split("\n")
    for _, where, _, (line, _) in (one for one in changes if one[0] == "plant"):
        lines.insert(where * len(lines) // 1000, line)  # whole, when nothing is cut any more
    return "\n".join(lines)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@cache
def reports() -> list[str]:
    """Return the texts of the labelled reports and of the samples."""
    places = (ROOT / "tests" / "reports" / "reports", ROOT / "tests" / "samples")
    files = sorted(
        f for place in places for f in place.rglob("*") if f.is_file() and f.suffix != ".md"
    )
    return [f.read_text(encoding="utf-8", errors="replace") for f in files]


@cache
def snapshots() -> list[Any]:
    """Return the snapshots of the museum as plain data."""
    import museum  # noqa: PLC0415  not on the path of other modules

    from tunedoctor.snapshot import to_data  # noqa: PLC0415

    return [to_data(museum.snapshot_of(name)) for name in museum.names()]


@cache
def configs() -> list[Any]:
    """Return config.json of all architectures."""
    text = (ROOT / "tests" / "memory" / "architectures.json").read_text(encoding="utf-8")
    return [one["config"] for one in json.loads(text).values()]


_SAID = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Odalie Brask."}]
ROWS: list[Any] = [
    {"messages": _SAID},
    {"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Odalie."}]},
    {"instruction": "Say who.", "input": "", "output": "Odalie Brask."},
    {"prompt": "Who runs it?", "completion": "Odalie Brask runs it."},
    {"text": "Odalie Brask runs the lighthouse of Varnholm."},
    {"prompt": _SAID[:1], "chosen": _SAID[1:], "rejected": [{"role": "assistant", "content": "No."}]},
]  # fmt: skip

values = (
    st.sampled_from((*NUMBERS, *EVIL, DEEP, None, True, "", "x" * 100_000, "9" * 5000, "atoken-" * 400))
    | st.sampled_from(([], {}, [1, 2], [[]], {"a": {}}, [None] * 3000, {"x\x1b]0;y\x07": "\u202e"}, "\ud800"))
    | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers() | st.text(max_size=5), max_size=4)
)  # fmt: skip
change = st.tuples(st.sampled_from(("set", "drop", "name", "more")), st.integers(0, 4000), values)
plant = st.tuples(
    st.just("set"), st.integers(0, 4000), st.sampled_from([line for line, _ in SECRETS])
)
changes = st.lists(change, max_size=5)


def changed(data: Any, changes: list[Any]) -> Any:
    """Return JSON data with other values, without keys, with other names."""
    data = json.loads(json.dumps(data))
    for kind, number, value in changes:
        nodes: list[tuple[Any, Any]] = []
        todo: list[Any] = [data]
        while todo and len(nodes) < 4000:
            one = todo.pop()
            keys = (
                list(one)
                if isinstance(one, dict)
                else range(len(one))
                if isinstance(one, list)
                else ()
            )
            nodes += [(one, key) for key in keys]
            todo += [one[key] for key in keys]
        if not nodes:
            return value
        inside, key = nodes[number % len(nodes)]
        if kind == "drop":
            del inside[key]
        elif kind == "name" and isinstance(inside, dict):
            inside[str(value)] = inside.pop(key)
        elif kind == "more" and len(str(inside[key])) < 2000:
            inside[key] = [inside[key]] * 300
        else:
            inside[key] = json.loads(json.dumps(value))  # a value of its own: no circles
    return data


def as_json(data: Any) -> str:
    """Write JSON, and what no writer writes: lists 200,000 deep."""
    text = json.dumps(data, ensure_ascii=False)
    return text.replace(f'"{DEEP}"', "[" * 200_000 + "]" * 200_000)


def json_file(bases: Callable[[], list[Any]]) -> st.SearchStrategy[Entry]:
    """Draw a file of JSON: a base, its values changed, then perhaps its text edited, which must not cut a secret."""

    def text(at: int, how: list[Any]) -> str:
        return as_json(changed(bases()[at % len(bases())], how))

    planted = st.builds(
        lambda at, how, last: text(at, [*how, *last]), _AT, changes, st.lists(plant, max_size=2)
    )
    broken = st.builds(lambda at, how, then: edited(text(at, how), then, [""]), _AT, changes, edits)
    files = st.one_of(planted, planted, broken).map(lambda text: Entry("file", _bytes(text)))
    raw = st.binary(max_size=50).map(lambda data: Entry("file", data))
    return st.one_of(*[files] * 12, raw, ODD)


ODD = st.sampled_from(
    (Entry("file", b"[" + b"{}," * 1_300_000 + b"0]"), Entry("file", b'{"a":' * 800_000), Entry("pipe"), Entry("folder"), Entry("link", b"loop"), Entry("link", b"/dev/zero"), Entry("hole", b"%d" % (1 << 30)),
     Entry("hole", b"%d" % (60 << 20)), Entry("file"), Entry("file", b"\xff\xfe\x00" * 9), Entry("link", b"/nowhere"))
)  # fmt: skip
"""What no sane folder holds."""


def text_file(*bases: str, odd: bool = True) -> st.SearchStrategy[Entry]:
    """Draw a file of text, one of the bases, edited; seldom something that is no such file."""
    plain = st.builds(
        lambda base, how: Entry("file", _bytes(edited(base, how, list(bases)))),
        st.sampled_from(bases),
        edits,
    )
    return st.one_of(*[plain] * 9, ODD if odd else plain)


def _short_lines(seed: int) -> str:
    """Return up to 1 MiB of short lines of one shape: a line costs more than its characters."""
    dice = random.Random(seed)  # noqa: S311  a seed that can be given again
    shapes = ("{0}", "{0}: {1}", "- {0}: {1}", "{0} = {1}", "$ {0}", ">>> {0}", "{0} {2}.{2}", "{0}=={2}.{2}", "{0}Error: {1}",
              "| {2}  {0}  {2}MiB / {2}MiB |", "GPU {2}: {0}", '  File "/{0}.py", line {2}, in {1}')  # fmt: skip
    shape, wide = dice.choice(shapes), dice.randrange(2, 9)
    words = [
        "".join(dice.choices("abcdefghij0123456789-_.", k=dice.randrange(1, wide)))
        for _ in range(500)
    ]
    line = (
        shape.format(dice.choice(words), dice.choice(words), dice.randrange(99))
        for _ in range(60_000)
    )
    return "\n".join(line)


report_texts = st.one_of(
    *[st.builds(lambda at, how: edited(reports()[at % len(reports())], how, reports()), st.integers(0, 2000), edits)] * 4,
    st.lists(pieces, max_size=60).map("".join),
    st.builds(lambda part, times: "".join(part) * (times // (len("".join(part)) + 1)),
              st.lists(pieces, min_size=1, max_size=5), st.sampled_from((10_000, 250_000))),
    st.integers(0, 10**6).map(_short_lines),
)  # fmt: skip
shown = st.sampled_from(
    (
        (),
        (),
        ("-v",),
        ("-q",),
        ("--format", "json", "-v"),
        ("--format", "jsonl"),
        ("--strict", "--fail-on", "note"),
    )
)


@st.composite
def triage(draw: st.DrawFn) -> Case:
    """One report, or a folder of them."""
    texts = report_texts.map(lambda text: Entry("file", _bytes(text)))
    if draw(st.integers(0, 5)):
        return Case(("triage", "report.txt", *draw(shown)), {"report.txt": draw(texts)})
    short = text_file(*reports()[::40])
    files = draw(st.dictionaries(_NAMES.map(lambda name: f"in/{name}"), short, max_size=9))
    return Case(("triage", "in", *draw(st.sampled_from(((), ("--format", "jsonl"))))), files)


@st.composite
def check(draw: st.DrawFn) -> Case:
    """A snapshot of another machine."""
    return Case(("check", "--from", "s.json", *draw(shown)), {"s.json": draw(json_file(snapshots))})


@st.composite
def fit(draw: st.DrawFn) -> Case:
    """A folder of a model, or a file of one."""
    config = draw(json_file(configs))
    more = st.dictionaries(
        st.sampled_from(("adapter_config.json", "model.safetensors", "tokenizer_config.json", "generation_config.json")),
        json_file(configs), max_size=2,
    )  # fmt: skip
    heads = st.sampled_from(
        (b"GGUF\x03\0\0\0", b"GGUF\3\0\0\0" + b"\xff" * 16, b"\x40\0\0\0\0\0\0\0{", b"PK\3\4")
    )
    start, rest = draw(heads), draw(st.binary(max_size=80))
    where = draw(
        st.sampled_from(
            ("m", "m/config.json", "m/w.gguf", "m/w.safetensors", "m\x1b[31m/config.json")
        )
    )
    files = {"m/config.json": config, **{f"m/{k}": v for k, v in draw(more).items()}}
    if "w." in where:
        files[where] = Entry("file", start + rest)
    if "\x1b" in where:
        files[where] = config
    card = draw(
        st.sampled_from(
            (
                ("--vram", "24"),
                ("--gpu", "RTX 4090"),
                ("--gpu", "H100", "--gpus", "8"),
                ("--cards",),
            )
        )
    )
    how = draw(
        st.sampled_from(
            ((), ("--method", "full"), ("--method", "qlora", "--dora"), ("--seq", "16777216"))
        )
    )
    return Case(
        ("fit", where, *card, *how, *draw(st.sampled_from(((), ("--format", "json"))))), files
    )


@st.composite
def data(draw: st.DrawFn) -> Case:
    """Training data in all its files."""
    rows = [
        changed(ROWS[draw(_AT) % len(ROWS)], draw(changes)) for _ in range(draw(st.integers(0, 5)))
    ]
    ending = draw(
        st.sampled_from(("jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz", "csv.gz", "txt"))
    )
    if "sv" in ending:
        text = "prompt,completion\n" + "\n".join(f'"{as_json(row)[:9000]}",x' for row in rows)
    else:
        text = as_json(rows) if ending == "json" else "\n".join(map(as_json, rows))
    raw = _bytes(edited(text, draw(edits), [text]))
    raw = (
        draw(st.sampled_from((b"", b"", b"\xef\xbb\xbf", b"\xff\xfe", b"PAR1", b"\x1f\x8b"))) + raw
    )
    if ending.endswith("gz"):
        raw = gzip.compress(raw, mtime=0)[: draw(st.sampled_from((None, -9, 40)))]
    files = {f"d/{draw(_NAMES)}.{ending}": Entry("file", raw)}
    for _ in range(draw(st.integers(0, 2))):
        files[f"d/{draw(_NAMES)}-valid.jsonl"] = draw(text_file("\n".join(map(as_json, ROWS))))
    named = ("d",) if draw(st.booleans()) else tuple(files)
    how = draw(st.sampled_from(((), ("--format", "json"), ("--format", "html"), ("--seq", "8"))))
    return Case(("data", *how, "--", *named), files)


HEALTHY = as_json({"schema": "doctor.snapshot/1", "facts": {}})
SETTINGS = '[tool.doctor]\nskip = ["no-gpu"]\nonly = []\nfail-on = "warning"\nplugins = []\ntarget = "env"\nstrict = true\n'


@st.composite
def settings(draw: st.DrawFn) -> Case:
    """The settings of a folder that somebody else wrote."""
    files = {
        "pyproject.toml": draw(
            text_file(SETTINGS, "[tool.doctor]\na.b = 1\nc = [[{}], {d = 1}]\n")
        ),
        "s.json": Entry("file", _bytes(HEALTHY)),
    }
    return Case(("check", "--from", "s.json", *draw(shown)), files)


METADATA = (
    "Metadata-Version: 2.1\nName: torch\nVersion: 2.9.1+cu130\nRequires-Python: >=3.10\nRequires-Dist: numpy<3,>=1.2; "
    'python_version >= "3.9"\nRequires-Dist: nvidia-cublas-cu12==12.8.4.1; extra == "a" or platform_system == "Linux"\n'
    "Requires-Dist: typing-extensions (>=4.10.0)\nRequires-Dist: b @ https://example.org/b-1.zip\n\nA text.\n"
)
RECORD = 'torch/__init__.py,sha256=abc,10\ntorch/lib/libc10.so,sha256=abc,9000\n"a,b.py",,\n../../../bin/x,,\n/etc/a.so,,1\n'
SMI = (ROOT / "tests/samples/smi/nvidia-smi_table_590_h100_mig.txt").read_text(encoding="utf-8")
QUERY = "0, NVIDIA A100-SXM4-40GB, GPU-0a1b, 00000000:01:00.0, 550.54.15, 40960, 40000, 8.0, Disabled, 0\n"
PLACES = {
    "pyvenv.cfg": "home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11.7\n",
    "pip.conf": "[global]\nindex-url = https://a:b@example.org/simple\nno-deps = true\n",
    "conda-meta/history": "==> 2024-01-01 <==\n",
    "conda-meta/pytorch-2.5.1-py3.12_cuda12.4_0.json": '{"name": "pytorch", "version": "2.5.1"}',
    "SITE/a.pth": "/usr/lib\n../..\nimport os; os.system('id')\n",
    "SITE/torch/__init__.py": "",
    "SITE/torch/version.py": "__version__ = '2.9.1+cu130'\ncuda: str = '13.0'\nhip = None\n",
    "SITE/torch/lib/libtorch_cuda.so": "\x7fELF\x02-gencode=arch=compute_90 sm_90 sm_120",
    "SITE/x.egg-link": "/usr/lib\n",
    "SITE/bitsandbytes/libbitsandbytes_cuda124.so": "\x7fELF",
    "SITE/numpy/__init__.py": "",
    "bin/nvcc": "#!/bin/sh\nexec /usr/local/cuda/bin/nvcc\n",
    "lib/python3.11/EXTERNALLY-MANAGED": "[externally-managed]\n",
}  # fmt: skip
"""Files of an environment that the doctor reads."""
DISTS = (
    "torch",
    "transformers",
    "peft",
    "numpy",
    "nvidia-cublas-cu12",
    "bitsandbytes",
    "accelerate",
    "trl",
    "x\x1b[31m",
)
PARTS = {"METADATA": METADATA, "RECORD": RECORD, "INSTALLER": "pip\n", "top_level.txt": "torch\n", "WHEEL": "Tag: py3-none-any\n",
         "direct_url.json": '{"url": "file:///home/alice/x", "dir_info": {"editable": true}}'}  # fmt: skip
TOOLS = (
    "nvidia-smi",
    "rocminfo",
    "rocm-smi",
    "amd-smi",
    "nvcc",
    "gcc",
    "dmesg",
    "lspci",
    "xpu-smi",
    "ldconfig",
    "python",
)
VARIABLES = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTORCH_CUDA_ALLOC_CONF", "HF_HOME", "PIP_INDEX_URL",
             "UV_TORCH_BACKEND", "NCCL_DEBUG", "CUDA_HOME", "CC", "HSA_OVERRIDE_GFX_VERSION", "VIRTUAL_ENV", "TMPDIR")  # fmt: skip
_SITE = "lib/python3.11/site-packages"


def _tool(said: bytes, status: int, then: str) -> Entry:
    text = f"#!/bin/sh\ncat <<'_END_OF_IT_' | head -c -1\n{{}}\n_END_OF_IT_\n{then}exit {status}\n"
    start, end = text.encode().split(b"{}")
    return Entry("program", start + said.replace(b"\0", b"") + end)


tools = st.dictionaries(
    st.sampled_from(TOOLS).map(lambda name: f"tools/{name}"),
    st.builds(
        _tool, text_file(QUERY, SMI, "", QUERY * 3000, odd=False).map(lambda one: one.data), st.sampled_from((0, 0, 0, 9, 139)),
        st.sampled_from(("", "", "", "", "", "", "yes | head -c 20000000\n", "printf '\\033[31m' >&2\n", "setsid sleep 3 &\n")),
    ),
    max_size=3,
)  # fmt: skip


@st.composite
def _env(draw: st.DrawFn, place: str) -> dict[str, Entry]:
    """Draw an environment that a stranger made; mostly with an interpreter that starts."""
    files: dict[str, Entry] = {}
    some = draw(st.lists(st.sampled_from(sorted(PLACES)), max_size=7, unique=True))
    files |= {one: draw(text_file(PLACES[one])) for one in some}
    for name in draw(st.lists(st.sampled_from(DISTS), max_size=4, unique=True)):
        folder = (
            f"SITE/{name}-{draw(st.sampled_from(('2.9.1', '0', '9' * 60, '1!0.dev')))}.dist-info"
        )
        files |= {
            f"{folder}/{k}": draw(text_file(PARTS[k]))
            for k in draw(st.sets(st.sampled_from(sorted(PARTS))))
        }
    files |= {f"SITE/{draw(_NAMES)}": draw(ODD) for _ in range(draw(st.integers(0, 2)))}
    real = Entry("link", sys.executable.encode())
    shebang = Entry(
        "program", b'#!/bin/sh\necho \'{"executable": "\\u001b[31m", "version": "9"}\'\n'
    )
    files["bin/python"] = draw(
        st.sampled_from((real, real, real, shebang, Entry("pipe"), Entry("file", b"\x7fELF")))
    )
    files.setdefault("pyvenv.cfg", Entry("file", PLACES["pyvenv.cfg"].encode()))
    return {f"{place}/{name.replace('SITE', _SITE)}": one for name, one in files.items()}


@st.composite
def environment(draw: st.DrawFn) -> Case:
    """A hostile environment, its tools on PATH and the settings of the home folder."""
    place = draw(st.sampled_from(("env", ".venv")))
    homes = (
        ".config/pip/pip.conf",
        ".config/uv/uv.toml",
        ".condarc",
        ".netrc",
        ".cache/huggingface/token",
    )
    text = text_file(PLACES["pip.conf"], "index-url = 'x'\n[pip]\nno-deps = true\n")
    files = draw(_env(place)) | draw(tools)
    files |= {
        f"home/{name}": draw(text) for name in draw(st.sets(st.sampled_from(homes), max_size=2))
    }
    env = draw(st.dictionaries(st.sampled_from(VARIABLES), (pieces | st.sampled_from((SECRETS[0][0], SECRETS[4][0], "HERE/env", "0,1", "x:" * 9000)))
                               .map(lambda one: one.replace("\0", "")), max_size=2))  # fmt: skip
    env = {key: value.encode("utf-8", "replace").decode() for key, value in env.items()}
    asked = () if place == ".venv" else ("--target", "env")
    argv = draw(
        st.sampled_from(
            (("check", "-v"), ("check",), ("snapshot",), ("check", "--format", "json", "-v"))
        )
    )
    return Case(
        (*argv, *asked), files, {"PATH": "HERE/tools:/usr/bin:/bin", "HOME": "HERE/home", **env}
    )


CONFIG = (
    'model = "m"\ndata = "train.jsonl"\nout = "out"\nmethod = "lora"\nrank = 16\nbatch = 1\nmax_length = 512\n'
    'learning_rate = 1e-4\nmax_steps = 3\ntargets = "all-linear"\nseed = 1\ndevice = "cpu"\n'
)


@st.composite
def train(draw: st.DrawFn) -> Case:
    """A configuration for an environment that says it has torch and has none: it ends before it trains."""
    site = f"env/{_SITE}"
    home = f"home = {Path(sys.executable).resolve().parent}\n"
    files = {"env/bin/python": Entry("link", sys.executable.encode()), "env/pyvenv.cfg": Entry("file", home.encode()),
             "c.toml": draw(text_file(CONFIG)), "m/config.json": draw(json_file(configs)), "train.jsonl": Entry("file", b"{}\n")}  # fmt: skip
    for name in ("torch", "transformers", "peft"):
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n\n"
        files[f"{site}/{name}-9.9.dist-info/METADATA"] = Entry("file", text.encode())
    more = draw(
        st.sampled_from(((), ("--dry-run",), ("--merge",), ("--rank=x",), ("--model=m\x1b[31m",)))
    )
    first = draw(st.sampled_from((("c.toml",), ("--init", "-", "--model=m"))))
    return Case(("train", "--target", "env", "--no-check", *first, *more), files)


COMMANDS: dict[str, tuple[int, st.SearchStrategy[Case]]] = {
    "triage": (6, triage()),
    "check --from": (4, check()),
    "fit": (4, fit()),
    "data": (4, data()),
    "environment": (4, environment()),
    "settings": (2, settings()),
    "train": (1, train()),
}
"""Group -> how many rounds of all it gets, and its cases."""
