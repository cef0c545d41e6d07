"""Calibration: measurements of one machine into a profile, and what is left unexplained.

`rows` reads measurements into kernels and seconds, `fit_terms` fits the terms of kernels, `fit_links` those
of links, `profile` writes the profile, `residuals` compares it with the measurements it was fitted on and
with those held out.
"""
