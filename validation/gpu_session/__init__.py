"""One session on a machine with a GPU: everything that is to be measured there, in one go.

`parts` says what runs and how long it may, `session` runs the parts one after another and keeps what they
leave, `compare` holds the training steps of a session to the simulation, wherever that runs.
"""
