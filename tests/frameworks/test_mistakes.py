"""Each mistake that doctor knows before a run is found at its line, and its correction is silent."""

import pytest
from fact_builders import some_packages

from tunedoctor.core.check_configuration import snapshot_of_gpu
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.facts import Packages
from tunedoctor.frameworks.detect import parse_configuration
from tunedoctor.frameworks.mistakes import FILE_CHECKS, configuration_checks
from tunedoctor.model.snapshot import Snapshot

AXOLOTL = """base_model: Qwen/Qwen2.5-7B
datasets: [{path: tatsu-lab/alpaca}]
micro_batch_size: 2
gradient_accumulation_steps: 4
"""
LLAMA_FACTORY = """model_name_or_path: Qwen/Qwen3-4B
stage: sft
do_train: true
finetuning_type: lora
dataset: alpaca
"""
TRL = "model_name_or_path: Qwen/Qwen3-4B\ndataset_name: trl-lib/Capybara\n"
TUNE = """model: {_component_: torchtune.models.llama3_1.llama3_1_8b}
optimizer: {_component_: torch.optim.AdamW}
checkpointer: {_component_: torchtune.training.FullModelHFCheckpointer, checkpoint_dir: /tmp/Llama-3.1-8B}
"""


BASE = """base_model: meta-llama/Llama-3.1-8B
micro_batch_size: 2
gradient_accumulation_steps: 4
"""
SCRIPT = """model = AutoModelForCausalLM.from_pretrained("meta-llama/Meta-Llama-3-8B")
collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)
Trainer(model=model, args=TrainingArguments(output_dir="out"), data_collator=collator).train()
"""


def alarms(name, text):
    found = parse_configuration(name, text.encode())
    return {
        id_: [found.document.lines.get(one.key, 0) for one in mistakes]
        for id_, _, _, find in FILE_CHECKS
        if (mistakes := [*find(found)])
    }


@pytest.mark.parametrize(
    ("name", "text", "id_", "line"),
    [
        ("a.yml", AXOLOTL + "batch_size: 8\n", "config-batch-size", 5),
        ("a.yml", AXOLOTL + "bf16: true\nfp16: true\n", "config-two-precisions", 6),
        (
            "a.yml",
            AXOLOTL + "adapter: lora\nload_in_4bit: true\nload_in_8bit: true\n",
            "config-quantisation",
            7,
        ),
        ("a.yml", AXOLOTL + "adapter: qlora\nload_in_8bit: true\n", "config-quantisation", 5),
        ("a.yml", AXOLOTL + "load_in_4bit: true\n", "config-quantised-full", 5),
        ("a.yml", AXOLOTL + "warmup_steps: 5\nwarmup_ratio: 0.1\n", "config-exclusive", 6),
        ("a.yml", AXOLOTL + "max_steps: 10\nnum_epochs: 3\n", "config-steps", 5),
        ("a.yml", AXOLOTL + "rl: dpo\nsample_packing: true\n", "config-packing", 6),
        (
            "a.yml",
            AXOLOTL + "deepspeed: zero3.json\nfsdp: [full_shard]\n",
            "config-sharding",
            5,
        ),
        ("a.yml", AXOLOTL + "micro_batch_size: 4\n", "config-repeated-key", 5),
        ("a.yml", AXOLOTL + "activation_offloading: true\n", "config-memory-options", 5),
        ("a.yml", AXOLOTL.replace("datasets", "sets"), "config-data", 0),
        (
            "f.yaml",
            LLAMA_FACTORY.replace("lora", "full") + "quantization_bit: 4\n",
            "config-quantised-full",
            6,
        ),
        ("f.yaml", LLAMA_FACTORY + "eval_strategy: steps\n", "config-evaluation", 6),
        ("f.yaml", LLAMA_FACTORY.replace("dataset: alpaca\n", ""), "config-data", 3),
        ("f.yaml", LLAMA_FACTORY + "quantization_bit: 8\nfsdp: full_shard\n", "config-sharding", 7),
        ("f.yaml", LLAMA_FACTORY + "load_best_model_at_end: true\n", "config-best-model", 6),
        ("t.yaml", TRL + "lora_r: 8\n", "config-adapter-unused", 3),
        (
            "t.yaml",
            TRL
            + "load_best_model_at_end: true\neval_strategy: steps\neval_steps: 40\nsave_steps: 100\n",
            "config-best-model",
            6,
        ),
        (
            "u.yaml",
            TUNE + "optimizer_in_bwd: true\ngradient_accumulation_steps: 8\n",
            "config-memory-options",
            4,
        ),
        ("u.yaml", TUNE + "dataset: {packed: true}\n", "config-packing", 4),
        (
            "d.json",
            '{\n"train_batch_size": 30,\n"train_micro_batch_size_per_gpu": 4,\n"gradient_accumulation_steps": 2\n}',
            "config-batch-size",
            2,
        ),
        (
            "s.sh",
            "swift sft \\\n  --model Qwen/Qwen3-4B \\\n  --tuner_type lora \\\n  --packing true\n",
            "config-packing",
            4,
        ),
        (
            "a.yml",
            BASE + "datasets:\n- path: d.jsonl\n  type: chat_template\n",
            "config-chat-template",
            6,
        ),
        (
            "t.yaml",
            TRL.replace("Qwen/Qwen3-4B", "meta-llama/Llama-3.2-1B"),
            "config-chat-template",
            2,
        ),
        (
            "f.yaml",
            LLAMA_FACTORY.replace("Qwen/Qwen3-4B", "meta-llama/Llama-3.1-8B"),
            "config-chat-template",
            1,
        ),
        ("s.py", SCRIPT, "config-padding-token", 0),
        (
            "a.yml",
            AXOLOTL
            + "adapter: qlora\nload_in_4bit: true\ndeepspeed: deepspeed_configs/zero3.json\n"
            + "gradient_checkpointing_kwargs:\n  use_reentrant: false\n",
            "config-sharding",
            8,
        ),
        (
            "f.yaml",
            LLAMA_FACTORY.replace("Qwen3-4B", "Qwen2.5-7B-Instruct-GPTQ-Int4")
            + "deepspeed: examples/deepspeed/ds_z3_config.json\n",
            "config-sharding",
            6,
        ),
        (
            "args.yaml",
            "per_device_train_batch_size: 4\nnum_train_epochs: 1\noutput_dir: out\nlearning_rate: 1e-4\n",
            "config-number-text",
            4,
        ),
    ],
)
def test_mistake_is_found_at_its_line(name, text, id_, line):
    assert alarms(name, text).get(id_) == [line]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.yml",
            AXOLOTL
            + "adapter: qlora\nload_in_4bit: true\nload_in_8bit: false\nbf16: auto\nfp16:\n",
        ),
        ("f.yaml", LLAMA_FACTORY + "quantization_bit: 4\nval_size: 0.1\neval_strategy: steps\n"),
        ("t.yaml", TRL + "use_peft: true\nlora_r: 8\nload_in_4bit: true\n"),
        ("u.yaml", TUNE + "dataset: {packed: true}\ntokenizer: {max_seq_len: 2048}\n"),
        (
            "d.json",
            '{"train_batch_size": 32, "train_micro_batch_size_per_gpu": 4, "gradient_accumulation_steps": 2}',
        ),
        ("d.json", '{"train_batch_size": "auto", "zero_optimization": {"stage": 3}}'),
        ("args.yaml", "per_device_train_batch_size: 4\noutput_dir: out\nlearning_rate: 1.0e-4\n"),
        (
            "a.yml",
            BASE + "chat_template: llama3\ndatasets:\n- path: d.jsonl\n  type: chat_template\n",
        ),
        ("a.yml", BASE + "datasets:\n- path: d.jsonl\n  type: alpaca\n"),
        ("a.yml", AXOLOTL.replace("tatsu-lab/alpaca", "d.jsonl, type: chat_template")),
        (
            "t.yaml",
            TRL.replace("Qwen/Qwen3-4B", "meta-llama/Llama-3.2-1B")
            + "chat_template_path: meta-llama/Llama-3.2-1B-Instruct\n",
        ),
        (
            "f.yaml",
            LLAMA_FACTORY.replace("Qwen/Qwen3-4B", "meta-llama/Llama-3.1-8B")
            + "template: llama3\n",
        ),
        ("s.py", SCRIPT + "tokenizer.pad_token = tokenizer.eos_token\n"),
        ("s.py", SCRIPT.replace("Meta-Llama-3-8B", "Some-Model")),
        (
            "a.yml",
            AXOLOTL
            + "adapter: qlora\nload_in_4bit: true\ndeepspeed: deepspeed_configs/zero3.json\n",
        ),
    ],
)
def test_sound_configuration_is_silent(name, text):
    assert alarms(name, text) == {}


@pytest.mark.parametrize(
    ("gpu", "expected"), [("T4", {"config-bf16", "config-flash-attention"}), ("A100", set())]
)
def test_gpu_decides_bf16_and_flash_attention(gpu, expected):
    text = AXOLOTL + "adapter: lora\nbf16: true\nattn_implementation: flash_attention_2\n"
    found = parse_configuration("a.yml", text.encode())
    causes = diagnose(snapshot_of_gpu(gpu), configuration_checks(found)).causes
    assert {one.check.id for one in causes} == expected


SHARDED = AXOLOTL + "adapter: qlora\nload_in_4bit: true\ndeepspeed: deepspeed_configs/zero3.json\n"
PADDED = AXOLOTL.replace("Qwen/Qwen2.5-7B", "meta-llama/Meta-Llama-3-8B")


@pytest.mark.parametrize(
    ("text", "versions", "expected"),
    [
        (SHARDED, {"bitsandbytes": "0.42.0", "peft": "0.9.0"}, {"config-sharded-qlora"}),
        (SHARDED, {"bitsandbytes": "0.49.0", "peft": "0.19.0"}, set()),
        (SHARDED.replace("zero3", "zero2"), {"bitsandbytes": "0.42.0"}, set()),
        (PADDED, {"axolotl": "0.15.0"}, {"config-padding-axolotl"}),
        (PADDED, {"axolotl": "0.18.0"}, set()),
        (PADDED + "special_tokens: {pad_token: <|end_of_text|>}\n", {"axolotl": "0.15.0"}, set()),
    ],
)
def test_installed_releases_decide(text, versions, expected):
    found = parse_configuration("a.yml", text.encode())
    snapshot = Snapshot({Packages: some_packages(**versions)}, taken="2026-12-03T00:00:00+00:00")
    causes = diagnose(snapshot, configuration_checks(found)).causes
    assert {one.check.id for one in causes} == expected


def test_deepspeed_file_that_contradicts_the_arguments(tmp_path):
    from tunedoctor.frameworks.detect import read_configuration

    (tmp_path / "ds.json").write_text(
        '{"train_micro_batch_size_per_gpu": 4, "zero_optimization": {"stage": 3}}'
    )
    file = tmp_path / "train.yaml"
    file.write_text(LLAMA_FACTORY + "per_device_train_batch_size: 1\ndeepspeed: ds.json\n")
    found = read_configuration(str(file))
    assert found.plan.sharding == "zero3"
    mistakes = [one for _, _, _, find in FILE_CHECKS for one in find(found)]
    assert [one.found for one in mistakes] == [
        "the micro batch is 1 here and 4 in DeepSpeed's file"
    ]
