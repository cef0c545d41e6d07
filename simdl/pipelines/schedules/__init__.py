"""The registered schedules, one file each: a module here that defines ``PIPELINE`` is found by itself."""
