"""Layer builders, one family a file: from dimensions to operators, parameters and saved activations.

Image layers are written one kernel at a time. A software stack runs neighbours of one fusion group as one
kernel:

    group            forward                                 backward
    ``gemm_bias``    product of a linear layer + bias        nothing
    ``bias_relu``    bias of a convolution + activation      nothing
    ``conv_stats``   convolution + sums of a batch norm      nothing
    ``bn_relu``      normalise + activation                  activation gradient + normalisation sums
    ``bn_add_relu``  normalise + addition + activation       activation gradient + normalisation sums
    ``add_relu``     residual addition + activation          nothing

`workloads.layers.drafts.fusion` assigns the groups of convolutional networks (transformer layers name their
own), and `workloads.layers.drafts.sharing` applies the one rule for saved activations: a tensor is kept once,
however many layers need it. ReLU works in place, so its output replaces the output before it and is the input
that the next layer keeps.
"""
