"""Published tables of single layers that commands take by name: measured profiles, and lists of convolutions.

PipeDream's profiles (Narayanan et al. 2019, SOSP; msr-fiddle/pipedream) and the layers that mu-cuDNN was
measured with (Oyama et al. 2018; spcl/ucudnn); every row names the file that it comes from.
"""

from pathlib import Path

PIPEDREAM_NODES = Path(__file__).with_name("pipedream_nodes.csv")
PIPEDREAM_EDGES = Path(__file__).with_name("pipedream_edges.csv")
MU_CUDNN_LAYERS = Path(__file__).with_name("mu_cudnn_layers.csv")
