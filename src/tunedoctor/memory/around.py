"""What stands around the layers of a model: positions, inputs of their own for each layer, towers for pictures."""

from msgspec.structs import replace

from tunedoctor.memory.build import Numbers, norm_of
from tunedoctor.memory.family import Family
from tunedoctor.memory.fields import DEEPEST, Fields
from tunedoctor.memory.shape import Layer, Matrix, Norm

_POSITIONS = ("n_positions", "max_position_embeddings")


def positions(config: Fields, hidden: int, model_type: str) -> int:
    """Return learned positions, and Bloom's norm of the embedding."""
    if model_type == "bloom":
        return 2 * hidden
    usual = {"gpt2": 1024, "gpt_bigcode": 1024, "gpt_neo": 2048, "opt": 2048, "biogpt": 2048}
    if model_type not in usual:
        return 0
    more = 2 if model_type in ("opt", "biogpt") else 0
    return hidden * (config.or_else(usual[model_type], *_POSITIONS) + more)


def _wide(config: Fields) -> int:
    """Return the width of the input that each layer has of its own (Gemma 3n and 4); 0: there is none."""
    return config.or_else(0, "hidden_size_per_layer_input")


def inputs_of_layers(config: Fields, depth: int) -> int:
    """Return the elements of the embedding of the layers' own inputs, and of the norm of these."""
    wide = _wide(config)
    vocab = config.or_else(0, "vocab_size_per_layer_input", "vocab_size")
    return wide and vocab * depth * wide + wide


def beside_layers(config: Fields, hidden: int, depth: int) -> tuple[Matrix, ...]:
    """Return the linear modules that stand beside the layers: all-linear reaches them."""
    found: list[Matrix] = []
    if wide := _wide(config):
        found.append(Matrix("per_layer_model_projection", hidden, depth * wide, "embedded"))
    for name in ("altup_projections", "altup_unembed_projections"):
        more = config.or_else(1, "altup_num_inputs") - 1
        found += [Matrix(f"{name}.{i}", hidden, hidden, "embedded") for i in range(min(more, 64))]
    return tuple(found)


def with_input_of_its_own(layer: Layer, config: Fields, n: Numbers, family: Family) -> Layer:
    """Return the layer with what takes its own input in, and with its alternating updates (Gemma 3n)."""
    matrices, norms, other = list(layer.matrices), list(layer.norms), layer.other
    mixer = layer.mixer
    norm = norm_of(n.hidden, family)
    if wide := _wide(config):
        matrices += [
            Matrix("per_layer_input_gate", n.hidden, wide, "stream"),
            Matrix("per_layer_projection", wide, n.hidden, "own input"),
        ]
        norms.append(norm)
    if rank := config.whole("laurel_rank"):
        matrices += [
            Matrix("linear_left", n.hidden, rank, "mixer"),
            Matrix("linear_right", rank, n.hidden, "laurel"),
        ]
        norms.append(norm)
    if streams := config.whole("altup_num_inputs"):
        matrices += [
            Matrix("correction_coefs", streams, streams, "modalities"),
            Matrix("prediction_coefs", streams, streams * streams, "modalities"),
            Matrix("modality_router", n.hidden, streams, "routed"),
        ]
        norms += [norm, Norm(n.hidden, 0, 1)]  # one norm, passed twice
        other += n.hidden
    if len(matrices) == len(layer.matrices):
        return layer
    if mixer:  # the gate, its activation and the layer's own input; streams as they come, predicted, and corrected
        kept = 3 * wide + (3 * streams * n.hidden if streams else 0)
        mixer = replace(mixer, kept=mixer.kept + kept)
    return replace(layer, matrices=tuple(matrices), norms=tuple(norms), other=other, mixer=mixer)


_TOWERS = ("vision_config", "audio_config", "vision_tower")
_MORE = ("encoder_config", "speech_config", "qformer_config", "talker_config", "token2wav_config")
_PARTS = (*_TOWERS, *_MORE)


def towers(whole: Fields, hidden: int) -> int:
    """Return the elements of a vision or audio tower, by the plain transformer that it is, and its projector."""
    return sum(_tower(whole, key, hidden) for key in _TOWERS)


def unread_parts(whole: Fields, hidden: int) -> tuple[str, ...]:
    """Return the keys of parts beside the language model that count for nothing, since they could not be read."""
    return tuple(key for key in _PARTS if whole.part(key) and not _tower(whole, key, hidden))


def _tower(whole: Fields, key: str, hidden: int) -> int:
    tower = whole.part(key)
    if tower is None or key not in _TOWERS:
        return 0
    width = tower.whole("embed_dim", "hidden_size", "d_model")
    depth = tower.whole("num_hidden_layers", "depth", "encoder_layers", "num_layers")
    if width is None or depth is None or depth > DEEPEST:
        return 0
    feed = tower.whole("intermediate_size", "encoder_ffn_dim") or 4 * width
    matrices = 3 if tower.data.get("hidden_act") in ("silu", "swiglu") else 2
    patch = tower.or_else(14, "patch_size", "spatial_patch_size")
    found = depth * (4 * width * width + matrices * width * feed) + 3 * patch * patch * width
    return found + width * hidden + hidden * hidden
