"""Transformer stacks from their dimensions: the common ground of GPT, Llama, MPT and BERT.

Vaswani et al. 2017 (arXiv:1706.03762) as later families write it: pre-normalised (or post-normalised)
residual branches of attention and feed-forward network, grouped-query attention (Ainslie et al. 2023,
arXiv:2305.13245), gated feed-forward networks, learned, rotary or linear-bias positions, tied or own output
weights.

Parameters of a pre-normalised GPT of l layers, hidden size h, vocabulary V and s positions: 12 l h^2 + 13 l
h + (V + s) h + 2 h (Narayanan et al. 2021, arXiv:2104.04473, equation 2, plus the final normalisation).
"""
