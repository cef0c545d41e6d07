"""What a backend says of an H100, for tests that measure nothing."""

from validation.microbenchmarks.backend import DeviceFacts

H100 = DeviceFacts(
    name="NVIDIA H100 80GB HBM3",
    kind="cuda",
    driver="",
    memory=8e10,
    cache=5e7,
    multiprocessors=132,
    registered="h100-sxm-80gb",
)
