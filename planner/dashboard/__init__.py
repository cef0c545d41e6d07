"""The dashboard: a live page on which a user turns the knobs of a step (extra ``dash``).

The state of the page is one query string (:mod:`planner.dashboard.state`): what the controls compose, what
the address shows, what downloads and plans are asked for. Everything shown is a section of a report page.
"""
