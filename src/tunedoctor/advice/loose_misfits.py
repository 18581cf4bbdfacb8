"""Find in an error, whose caller is not known, a name or keyword that an installed library does not have."""

from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor.facts import Errors, ErrorText, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.tables.small import distribution_of

_PLACE = r"(?: \([^()\n]{1,300}[\\/](?:site|dist)-packages[\\/][^()\n]{1,300}\))"
_LIBRARY = (
    r"(?P<library>transformers|tokenizers|huggingface_hub|peft|trl|accelerate|datasets|deepspeed|diffusers"
    r"|sentence_transformers|vllm|numpy|pyarrow|pydantic|pydantic_core|fsspec|safetensors|typing_extensions|google"
    r"|torchao|bitsandbytes|unsloth_zoo|unsloth|optimum(?!\.quanto)|evaluate|pandas|scipy|sklearn|flash_attn)"
)
_NAMED = (
    pattern(
        rf"cannot import name '(?!_\w{{1,60}}' from '(?:numpy|scipy|pandas))\w{{1,80}}' from '{_LIBRARY}\b[\w.]"
        rf"{{0,120}}'{_PLACE}"
    ),
    pattern(
        rf"module '?{_LIBRARY}\b[\w.]{{0,100}}'? has no attribute '?(?!(?:load_dataset|AutoModel|array|float32)"
        rf"\b)[A-Za-z]\w{{1,80}}'?"
    ),
    pattern(
        rf"No module named '{_LIBRARY}\.(?!(?:\w{{1,60}}\.){{0,3}}(?:_C|_rust|_?libs?|tokenizers|_safetensors_ru"
        rf"st|_pydantic_core"
        r"|_multiarray_umath|_umath\w{0,20})\b)[\w.]{1,120}'(?!; ')"
    ),
)
_QUOTED = pattern(r"(?:\W{0,4}|Failed to import [\w.]{1,120}\W{1,4})[Cc]annot import name '")
"""The error in a sentence, of which the class is left out."""
_PLACELESS = pattern(
    rf"[Cc]annot import name '[A-Za-z]\w{{1,80}}' from '{_LIBRARY}\b[\w.]{{0,120}}'(?! \(|\w)"
)
"""Python adds the file; who types the error from memory does not."""
_OF_CLASSES = (
    (
        "trl",
        pattern(
            r"(?:^|\W)(?:SFT|DPO|PPO|PPOv2|GRPO|KTO|ORPO|CPO|BCO|GKD|RLOO|XPO|PRM|Reward|OnlineDPO|NashMD)(?:Tra"
            r"iner|Config)\.__init__\(\) "
            r"(?:got an unexpected keyword argument '\w{1,60}'|missing \d required positional arguments?: [^"
            r"\n]{1,120})"
        ),
    ),
    (
        "accelerate",
        pattern(
            r"(?:^|\W)(?:Accelerator(?:\.\w{1,40})?|\w{1,40}Plugin\.__init__|DataLoaderConfiguration\.__init__"
            r"|ProjectConfiguration\.__init__|prepare_data_loader)\(\) "
            r"got an unexpected keyword argument '\w{1,60}'"
            r"|'(?:Accelerator|AcceleratorState|AcceleratedOptimizer|DistributedDataParallelKwargs)' object has no "
            r"attribute '\w{1,60}'|'AdamW' object has no attribute 'train'|(?:^|\W)name '(?:init_empty_weights|P"
            r"arallelismConfig)' is not defined"
        ),
    ),
    (
        "peft",
        pattern(
            r"(?:^|\W)(?:(?:Lora|AdaLora|LoKr|LoHa|IA3|Vera|OFT|BOFT|PromptTuning|PrefixTuning|PromptEncoder|Pef"
            r"t)Config"
            r"(?:\.__init__)?|PeftModel\w{0,30}(?:\.\w{1,40})?)\(\) got an unexpected keyword argument '\w{1,60}'"
            r"|__init__\(\) got an unexpected keyword argument '(?:enable_lora|use_dora|lora_bias|fan_in_fan_out)'"
        ),
    ),
    (
        "huggingface-hub",
        pattern(
            r"(?:^|\W)(?:hf_hub_download|snapshot_download|cached_download|create_repo|upload_folder|upload_file"
            r"|HfApi\.\w{1,40}"
            r"|HfFileSystem\.\w{1,40}|InferenceClient\.\w{1,40})\(\) got an unexpected keyword argument '\w{1,60}'"
        ),
    ),
    (
        "datasets",
        pattern(
            r"(?:^|\W)(?:load_dataset|load_dataset_builder|DownloadConfig\.__init__|Dataset\.\w{1,40}|DatasetDic"
            r"t\.\w{1,40})\(\) "
            r"got an unexpected keyword argument '\w{1,60}'|Feature type '\w{1,30}' not found\. Available featur"
            r"e types"
            r"|TypeError: must be called with a dataclass type or instance"
        ),
    ),
    (
        "tokenizers",
        pattern(r"data did not match any variant of untagged enum \w{1,60}"),
    ),
    (
        "pydantic",
        pattern(r"(?:^|[\s.])Pydantic(?:User|Import|Schema\w{0,20})Error: [^\n]{1,120}"),
    ),
    (
        "safetensors",
        pattern(r"HeaderDeserialization: unknown variant `[^\n]{1,80}"),
    ),
    (
        "triton",
        pattern(
            r"No module named 'triton\.(?!(?:ops|_C)\b)[a-z][\w.]{1,80}'(?!; ')"
            r"|cannot import name '[A-Za-z]\w{1,60}' from 'triton\.(?!ops\b)[\w.]{1,80}'"
        ),
    ),
    (
        "vllm",
        pattern(r"'\w{1,30}' is already used by a Transformers config, pick another name"),
    ),
    (
        "deepspeed",
        pattern(r"cannot import name 'log' from 'torch\.distributed\.elastic\.agent\.server\.api'"),
    ),
    (
        "httpx",
        pattern(
            r"(?:Async)?Client\.__init__\(\) got an unexpected keyword argument '(?:proxies|proxy)'"
        ),
    ),
    (
        "numpy",
        pattern(r"Unable to avoid copy while creating an array as requested"),
    ),
    (
        "fsspec",
        pattern(r"Invalid pattern: '\*\*' can only be an entire path component"),
    ),
    (
        "transformers",
        pattern(
            r"'(?:\w{0,30}Cache)' object has no attribute '(?:seen_tokens|_seen_tokens|get_max_length|get_usable"
            r"_length"
            r"|key_cache|value_cache|get_max_cache_shape|to_legacy_cache|is_compileable|float|layers)'"
            r"|'?\w{0,40}Tokenizer(?:Fast)?'?(?: object)? has no attribute '?(?:all_special_tokens_extended|addi"
            r"tional_special_tokens"
            r"|batch_encode_plus|encode_plus|build_inputs_with_special_tokens|added_tokens_encoder)\b"
            r"|'\w{1,60}(?:Model|Attention|ForCausalLM|ForConditionalGeneration)' object has no attribute "
            r"'(?:_supports_\w{1,40}|rotary_emb|num_heads|all_tied_weights_keys|get_head_mask|_use_\w{1,40}|_gra"
            r"dient_checkpointing_func)'"
            r"|'\w{0,40}Trainer' object has no attribute '(?:tokenizer|deepspeed|use_apex|_get_train_sampler|is_"
            r"fsdp_enabled)'"
            r"|'\w{0,20}TrainingArguments' object has no attribute '\w{1,60}'"
            r"|(?:^|\W)(?:\w{0,40}TrainingArguments|\w{0,40}Trainer)(?:\.__init__)?\(\) got an unexpected keywor"
            r"d argument '\w{1,60}'"
            r"|(?:^|[\s.])(?:\w{1,40}Trainer\.)?(?:compute_loss|training_step|prediction_step|_save_checkpoint|c"
            r"reate_optimizer"
            r"|_maybe_log_save_evaluate|log|_get_train_sampler)\(\) "
            r"(?:got an unexpected keyword argument '(?:num_items_in_batch|metrics|start_time|train_dataset|lear"
            r"ning_rate|return_outputs)'"
            r"|takes (?:from \d to )?\d positional arguments but \d (?:were|was) given)"
            r"|__init__\(\) got an unexpected keyword argument '(?:evaluation_strategy|eval_strategy|dispatch_batches"
            r"|use_seedable_sampler|load_in_[48]bit|use_flash_attention_2|attn_implementation)'"
            r"|(?:^|\W)[A-Z]\w{1,50}(?:For(?:CausalLM|ConditionalGeneration|SequenceClassification|TokenClassifi"
            r"cation"
            r"|QuestionAnswering)|Model|LMHeadModel)\.(?:__init__|forward)\(\) got an unexpected keyword argument "
            r"'(?:load_in_[48]bit|use_flash_attention_2|dtype|torch_dtype|num_items_in_batch|num_logits_to_keep|"
            r"logits_to_keep"
            r"|cache_position|attn_implementation|device_map)'"
            r"|(?:^|\W)[A-Z]\w{1,50}(?:Attention|RotaryEmbedding|DecoderLayer)\.forward\(\) missing \d required "
            r"positional "
            r"arguments?: '(?:position_ids|attention_mask|position_embeddings|seq_len)'"
            r"|\._update_causal_mask\(\) takes \d positional arguments but \d were given"
            r"|_pad\(\) got an unexpected keyword argument 'padding_side'"
            r"|(?:Dynamic|Static|Hybrid|EncoderDecoder)Cache\.__init__\(\) (?:takes|got|missing)"
            r"|non-default argument '\w{1,60}' follows default argument"
        ),
    ),
)
"""Calls and attributes that releases of a library gave up or brought. Source: their release notes and issues."""


class Loose(NamedTuple):
    """One such error."""

    library: str
    """Distribution whose version does not fit the code that calls it."""
    said: str


def loose_misfits(errors: Errors | Unknown | None) -> Iterator[Loose]:
    """Yield them in the order of the text; warnings tell of nothing that stopped."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        if error.type.endswith("Warning"):
            continue
        if found := _loose(error):
            yield found


def _loose(error: ErrorText) -> Loose | None:
    if "(unknown location)" in error.text or "partially initialized" in error.text:
        return None
    for named in _NAMED:
        found = named.search(error.text)
        if found and error.type:
            library = found["library"]
            return Loose(distribution_of(library) or library.replace("_", "-"), _line(found[0]))
    placeless = _PLACELESS.search(error.text)
    if placeless and (_QUOTED.match(error.text) or (error.type and not error.frames)):
        library = placeless["library"]
        return Loose(distribution_of(library) or library.replace("_", "-"), _line(placeless[0]))
    for library, known in _OF_CLASSES:
        if found := known.search(error.text):
            return Loose(library, _line(found[0]))
    return None


def _line(text: str) -> str:
    return text.partition(" (/")[0].partition(" (C:")[0].strip(" '\n")[:140]
