"""Micro-batching of convolutions (mu-cuDNN): smaller batches whose faster algorithms fit into the workspace.

Oyama, Ben-Nun, Hoefler, Matsuoka, "mu-cuDNN: Accelerating Deep Learning Frameworks with Micro-Batching"
(IEEE CLUSTER 2018, arXiv:1804.04806).
"""
