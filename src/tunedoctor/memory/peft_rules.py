"""What peft 0.21 does otherwise for some model types: modules refused, names carried over to routed experts."""

REFUSED = ("falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h")
"""Model types whose out_proj peft (0.21) gives no adapter, and raises where all-linear names it."""
NAMED_TARGETS = (*REFUSED, "phimoe", "llama4", "llama4_text")
"""Model types that all-linear fails on. The routers of phimoe and Llama 4 are linear modules that give back a tuple."""

EXPERT_NAMES = {
    **dict.fromkeys(("mixtral", "minimax", "minimax_m2"), ("w1", "w3", "w2", "gate")),
    **dict.fromkeys(
        (
            *("qwen3_moe", "qwen3_next", "deepseek_v2", "deepseek_v3", "dots1", "ernie4_5_moe"),
            *("afmoe", "deepseek_v32", "glm_moe_dsa", "solar_open", "mellum", "exaone_moe"),
            *("cohere2_moe", "longcat_flash", "sarvam_mla", "beam", "glm4v_moe"),
            *("glm4_moe", "glm4_moe_lite", "hunyuan_v1_moe", "flex_olmo", "olmoe"),
        ),
        ("gate_proj", "up_proj", "down_proj", "gate"),
    ),
}
"""Names that peft 0.21 carries over from modules to the parameters of routed experts and of their router."""
