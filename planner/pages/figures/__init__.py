"""Figures: pure builders from results to plotly figures, one family a file; nothing here reads or writes."""
