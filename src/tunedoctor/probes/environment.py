"""Environment variables that steer the stack."""

import os
from collections.abc import Mapping

from tunedoctor.facts import Environment
from tunedoctor.probes.credentials import SET, is_secret, without_credentials
from tunedoctor.probing import probe

NAMES = frozenset(
    {
        "BITSANDBYTES_NOWELCOME",
        "CC",
        "CONDA_DEFAULT_ENV",
        "CONDA_OVERRIDE_CUDA",
        "CONDA_PREFIX",
        "CUDNN_PATH",
        "CXX",
        "DYLD_FALLBACK_LIBRARY_PATH",
        "DYLD_INSERT_LIBRARIES",
        "DYLD_LIBRARY_PATH",
        "FORCE_CUDA",
        "GPU_DEVICE_ORDINAL",
        "LANG",
        "LC_ALL",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "LOCAL_RANK",
        "LOCAL_WORLD_SIZE",
        "MASTER_ADDR",
        "MASTER_PORT",
        "MAX_JOBS",
        "NUMEXPR_MAX_THREADS",
        "OPENBLAS_NUM_THREADS",
        "PYTHONHASHSEED",
        "PYTHONHOME",
        "PYTHONIOENCODING",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "PYTHONSAFEPATH",
        "PYTHONSTARTUP",
        "PYTHONUSERBASE",
        "PYTHONUTF8",
        "RANK",
        "SLURM_CPUS_PER_TASK",
        "SLURM_GPUS",
        "SLURM_GPUS_ON_NODE",
        "SLURM_GPUS_PER_NODE",
        "SLURM_GPUS_PER_TASK",
        "SLURM_JOB_GPUS",
        "SLURM_JOB_ID",
        "SLURM_JOB_PARTITION",
        "SLURM_LOCALID",
        "SLURM_MEM_PER_CPU",
        "SLURM_MEM_PER_GPU",
        "SLURM_MEM_PER_NODE",
        "SLURM_NNODES",
        "SLURM_NTASKS",
        "SLURM_PROCID",
        "SLURM_STEP_GPUS",
        "TEMP",
        "TMP",
        "TMPDIR",
        "TOKENIZERS_PARALLELISM",
        "USE_FLAX",
        "USE_TF",
        "USE_TORCH",
        "VIRTUAL_ENV",
        "WANDB_DISABLED",
        "WANDB_MODE",
        "WORLD_SIZE",
        "XDG_CACHE_HOME",
        "XLA_FLAGS",
        "ZE_AFFINITY_MASK",
        "ZE_FLAT_DEVICE_HIERARCHY",
    }
)
"""Variables that are taken by name."""

PREFIXES = (
    "ACCELERATE_",
    "AMD_",
    "BNB_",
    "CUBLAS_",
    "CUDA_",
    "CUDNN_",
    "DS_",
    "FLASH_ATTENTION_",
    "FLASH_ATTN_",
    "FSDP_",
    "GLOO_",
    "HF_",
    "HIP_",
    "HSA_",
    "HUGGINGFACE_",
    "KMP_",
    "MIOPEN_",
    "MKL_",
    "NCCL_",
    "NVIDIA_",
    "OMP_",
    "ONEAPI_",
    "PIP_",
    "PYTORCH_",
    "RCCL_",
    "ROCM_",
    "ROCR_",
    "SYCL_",
    "TORCH",
    "TRANSFORMERS_",
    "TRITON_",
    "UNSLOTH_",
    "UV_",
    "XFORMERS_",
)
"""Beginnings of names that are taken."""

PRESENCE_ONLY = frozenset({"ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"})
"""Variables, in capitals, of which only the presence is told. Their lower-case twins count too."""


@probe(Environment)
def environment() -> Environment:
    """Take the variables of the allow-list from the doctor's own environment."""
    return select(os.environ)


def select(variables: Mapping[str, str]) -> Environment:
    """Take the variables of the allow-list; of secrets and proxies only "set"."""
    taken: dict[str, str] = {}
    for name in sorted(variables):
        if name.upper() in PRESENCE_ONLY:
            taken[name] = SET
        elif name in NAMES or name.startswith(PREFIXES):
            taken[name] = SET if is_secret(name) else without_credentials(variables[name])
    return Environment(variables=taken)
