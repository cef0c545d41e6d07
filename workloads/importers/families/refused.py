"""Families that are known and not described here, with the reason that a refusal gives."""

DECAYED = "its layers are recurrent with a state that decays, of a kind that no layer here has"

REFUSED = {
    "deepseek_v4": "its attention compresses and chooses keys, and its residual streams are several",
    "fnet": "Fourier transforms stand in the place of attention",
    "longformer": "some tokens of its windowed attention see all others",
    "minimax_m3_vl_text": "its attention chooses blocks of keys",
    "recurrent_gemma": DECAYED,
    "reformer": "its attention is chosen by hashing and its layers are reversible",
    "rwkv": DECAYED,
    "xlnet": "two streams of attention run over permuted tokens",
    "xlstm": DECAYED,
    "zamba": "its attention layers share their parameters",
    "zamba2": "its attention layers share their parameters",
}
"""``model_type``, and what of it no layer here says."""
