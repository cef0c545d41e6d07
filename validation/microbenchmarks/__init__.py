"""Microbenchmarks: kernels, copies and collectives of this machine, timed one by one.

`case` says what is measured in the simulator's own terms, `families` which cases there are, a `backend` whose
kernels run them (NumPy, CuPy or PyTorch), `timing` how samples are taken, `suite` runs all and `journal`
keeps the rows. Needs the standard library and NumPy (CuPy or PyTorch for their backends) and runs from a
plain checkout: ``python -m validation.microbenchmarks --out DIR``.
"""
