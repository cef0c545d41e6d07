"""Families that are known and not described here, with the reason that a refusal gives."""

PER_LAYER = "every layer reads embeddings of its own, and some take over keys and values of others"
ACROSS = "some layers attend to an image instead of to the text"
DECAYED = "its layers are recurrent with a state that decays, of a kind that no layer here has"

REFUSED = {
    "arctic": "a dense network runs beside the experts of a layer",
    "deepseek_v4": "its attention compresses and chooses keys, and its residual streams are several",
    "fnet": "Fourier transforms stand in the place of attention",
    "gemma3n": PER_LAYER,
    "gemma3n_text": PER_LAYER,
    "gemma4": PER_LAYER,
    "gemma4_text": PER_LAYER,
    "gemma4_unified": PER_LAYER,
    "gemma4_unified_text": PER_LAYER,
    "longcat_flash": "a layer has two attentions and two dense networks beside its experts",
    "longformer": "some tokens of its windowed attention see all others",
    "mimo_v2_flash": "windowed layers have other key-value heads than the rest, and narrower values",
    "minimax_m3_vl_text": "its attention chooses blocks of keys",
    "mllama": ACROSS,
    "mllama_text_model": ACROSS,
    "recurrent_gemma": DECAYED,
    "reformer": "its attention is chosen by hashing and its layers are reversible",
    "rwkv": DECAYED,
    "xlnet": "two streams of attention run over permuted tokens",
    "xlstm": DECAYED,
    "zamba": "its attention layers share their parameters",
    "zamba2": "its attention layers share their parameters",
}
"""``model_type``, and what of it no layer here says."""
