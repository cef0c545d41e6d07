"""Published training runs against their predictions; below, the published tables of all kinds as data.

``tables`` reads rows, ``rows`` says what each of them asks, ``prediction`` simulates, ``compare`` scores.
"""
