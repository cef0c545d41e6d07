"""Micro-batching of convolutions (mu-cuDNN): smaller batches whose faster algorithms fit into the workspace.

Oyama, Ben-Nun, Hoefler, Matsuoka, "mu-cuDNN: Accelerating Deep Learning Frameworks with Micro-Batching",
arXiv:1804.04806 (2018); as "Accelerating Deep Learning Frameworks with Micro-batches" at IEEE CLUSTER 2018.
"""
