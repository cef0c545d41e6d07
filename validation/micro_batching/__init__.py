"""Micro-batching run for real: the choice carried out, checked and timed next to the undivided pass.

`table` measures times to choose from, `choices` gets what to run from a table or a saved plan, `runner`
carries out one micro-batch with one library (`runners` says which), `execute` a whole pass, `rounding` says
how far two right answers may lie apart, `measure` times and compares, `report` prints.
"""
