"""Redaction shortens the home and leaves technical text alone."""

import pytest

from tunedoctor.diagnosis.redaction import Identity, redact_text

OWNER = Identity("/home/adalove", "adalove", "bletchley7")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/adalove/llm/.venv/bin/python", "~/llm/.venv/bin/python"),
        (
            "No such file: '/home/adalove/x/y.txt', and '/home/adalove' is full",
            "No such file: '~/x/y.txt', and '~' is full",
        ),
    ],
)
def test_the_home_is_shortened(text, expected):
    assert redact_text(text, OWNER) == expected


@pytest.mark.parametrize(
    "text",
    [
        "nvidia-cublas-cu12 12.6.4.1",
        "nvidia-cudnn-cu12==9.10.2.21",
        "torch asks for nvidia-cudnn-cu12 9.10.2.21, and 9.7.1.26 is here",
        "curand 10.3.9.90 beside 10.3.7.77",
        "driver 32.0.15.9159",
        "libcudnn.so.9.10.2",
        "0000:01:00.0",
        "torch 2.9.1+cu126",
        "2026-11-25T10:20:30+00:00",
        "token: set",
        "tokenizers=0.22.1 and tokenizers: 0.22.1",
        "max_tokens=2048000",
        "127.0.0.1",
        "/home/ubuntu/x",
        "/root/x",
        "torch 2.5.0a0+git1234abc and 2.6.0.dev20241112+cu126 and 0.9.2+g1a2b3c4d5e",
        "torch==2.9.1 --hash=sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "    --hash=sha256:3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b \\",
        "git+https://github.com/huggingface/transformers@d7a6008b03c7afba001444f2d7a4cfde9ef6d498",
        "commit 8792f06161c2e0240a9762eab61e41cfb3ea5580",
        "/root/.cache/huggingface/hub/models--x--y/snapshots/0e9e39f249a16976918f6564b8830bc894c89659/config.json",
        "/root/.cache/huggingface/hub/models--x--y/blobs/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "nvidia_cublas_cu12-12.6.4.1-py3-none-manylinux2014_x86_64.whl",
        "flash_attn-2.7.4.post1+cu12torch2.6cxx11abiFALSE-cp311-cp311-linux_x86_64.whl",
        "undefined symbol: _ZN3c106detail14torchCheckFailEPKcS2_jRKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE",
        "undefined symbol: _ZNK3c1011StorageImpl27throw_data_ptr_access_errorEv, __ZNK2at6Tensor12is_meta_implEv",
        "ampere_fp16_s16816gemm_fp16_128x128_ldg8_f2f_stages_64x3_nn failed",
        "Cijk_Ailk_Bljk_HHS_BH_MT128x128x16_SE_1LDSB0_APM1_ABV0_ACED0_AF0EM1 is missing",
        "at 0x7f3b2c1d4e5f and 0x00007ffd12345678, sm_90a gfx90a:sramecc+:xnack- gfx1100",
        "GPU 00000000:41:00.0, 0000:01:00.0, PCI 8086:7d55, 10de:2684",
        "tokenizer.pad_token = tokenizer.eos_token; pad_token: <pad>, bos_token_id: 151643, max_new_tokens=2048",
        "Token indices sequence length is longer than the specified maximum sequence length (5123 > 2048)",
        "token: set, HF_TOKEN: set, password: none, session: closed, key: value, secret is not set",
        "from_pretrained(name, token=token, revision=revision, use_auth_token=use_auth_token)",
        "KeyError: 'model.layers.0.self_attn.q_proj.weight'",
        "Qwen2ForCausalLM meta-llama/Llama-3.1-8B-Instruct unsloth/DeepSeek-R1-Distill-Qwen-32B-bnb-4bit",
        "libcudart.so.12, libtorch_cuda_linalg.so, libgomp-7c85b1e2.so.1, memcpy@GLIBC_2.14, GLIBCXX_3.4.30",
        "pip 24.0 from /usr/lib/python3/dist-packages/pip (python 3.11)",
        "actions/checkout@v4 react@18.2.0 pytorch/pytorch:2.5.1-cuda12.4-cudnn9-runtime",
        "std::string c10::Error at::native::add c10::cuda::c10_cuda_check torch::jit::load",
        "2025-11-25 10:20:30,123 and 10:20:30 and 127.0.0.1:29500 and ::1 and 0.0.0.0",
        "HSA_OVERRIDE_GFX_VERSION=10.3.0 CUDA_VISIBLE_DEVICES=0,1 PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True",
        "driver 550.127.08, CUDA 12.4, 5.15.0-1066-aws, cudnn 9.1.0.70, nvidia-cudnn-cu12==9.1.0.70",
        '/usr/local/lib/python3.11/site-packages/torch/nn/modules/module.py", line 1773, in _wrapped_call_impl',
        "conda install -p /opt/conda/envs/x pytorch; mkdir -p /tmp/x; python -m pip install -U torch",
        "docker run --gpus all -v $PWD:/workspace -w /workspace -u 1000 nvcr.io/nvidia/pytorch:24.10-py3",
        "(ubuntu@localhost) root@localhost:~# nvidia-smi",
    ],
)
def test_technical_text_is_left_alone(text):
    assert redact_text(text, OWNER) == text
