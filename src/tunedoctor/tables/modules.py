"""Which distribution brings a module that code of the stack imports."""

NAMED_OTHERWISE = {
    "PIL": "pillow",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "cv2": "opencv-python",
    "google": "protobuf",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
    "flash_attn": "flash-attn",
    "huggingface_hub": "huggingface-hub",
    "liger_kernel": "liger-kernel",
    "hf_transfer": "hf-transfer",
    "hf_xet": "hf-xet",
    "auto_gptq": "auto-gptq",
    "awq": "autoawq",
    "unsloth_zoo": "unsloth-zoo",
    "pkg_resources": "setuptools",
    "rouge_score": "rouge-score",
    "sentence_transformers": "sentence-transformers",
    "typing_extensions": "typing-extensions",
    "absl": "absl-py",
    "mamba_ssm": "mamba-ssm",
    "causal_conv1d": "causal-conv1d",
    "qwen_vl_utils": "qwen-vl-utils",
    "galore_torch": "galore-torch",
    "pytorch_lightning": "pytorch-lightning",
    "compressed_tensors": "compressed-tensors",
    "llm_blender": "llm-blender",
    "langchain_core": "langchain-core",
    "skimage": "scikit-image",
    "scikit_learn": "scikit-learn",
    "auto_awq": "autoawq",
    "optimum_quanto": "optimum-quanto",
    "transformers_stream_generator": "transformers-stream-generator",
    "python_dateutil": "python-dateutil",
    "Levenshtein": "levenshtein",
    "Pillow": "pillow",
}
NAMED_ALIKE = frozenset(
    {
        *("torch", "torchvision", "torchaudio", "transformers", "datasets", "peft", "trl"),
        *("accelerate", "tokenizers", "safetensors", "bitsandbytes", "evaluate", "optimum"),
        *("sentencepiece", "tiktoken", "einops", "deepspeed", "xformers", "torchao", "triton"),
        *("numpy", "pandas", "pyarrow", "scipy", "requests", "httpx", "tqdm", "regex", "psutil"),
        *("packaging", "filelock", "jinja2", "sympy", "networkx", "fsspec", "dill", "xxhash"),
        *("multiprocess", "aiohttp", "tensorboard", "tensorboardX", "wandb", "gguf", "kernels"),
        *(
            "unsloth",
            "torchdata",
            "mergekit",
            "torchcodec",
            "soundfile",
            "librosa",
            "rich",
            "click",
            "wheel",
            "ninja",
            "setuptools",
            "nltk",
            *(
                "vllm",
                "diffusers",
                "timm",
                "ipywidgets",
                "gradio",
                "openai",
                "fire",
                "lightning",
                "pydantic",
            ),
            *(
                "aqlm",
                "hqq",
                "gptqmodel",
                "schedulefree",
                "openpyxl",
                "jiwer",
                "sacrebleu",
                "seqeval",
                "lmdb",
            ),
            *(
                "autoawq",
                "pillow",
                "matplotlib",
                "seaborn",
                "ftfy",
                "orjson",
                "uvicorn",
                "fastapi",
                "ray",
            ),
            *(
                "omegaconf",
                "loguru",
                "termcolor",
                "colorama",
                "tabulate",
                "sqlitedict",
                "comet_ml",
                "mlflow",
                "swanlab",
            ),
        ),
    }
)


def distribution_of(module: str) -> str:
    """Return the distribution of a module as "a.b" names it; "" for modules that nobody knows here."""
    top = module.partition(".")[0]
    if module == "google" or module.startswith("google.protobuf"):
        return "protobuf"
    if top == "google":
        return ""
    return NAMED_OTHERWISE.get(top) or (top.lower() if top in NAMED_ALIKE else "")
