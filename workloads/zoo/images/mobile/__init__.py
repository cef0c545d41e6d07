"""Networks made small: depthwise convolutions, shuffles, fire modules."""
