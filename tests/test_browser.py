"""A page that never comes to rest fails its test, and holds up nothing else."""

import pytest
from browser import bounded, find_browser, launched

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.mark.browser
@pytest.mark.skipif(find_browser() is None, reason="no Chromium found on the path")
def test_a_page_that_never_comes_to_rest_is_ended():
    with launched() as (browser, process):
        page = browser.new_page()
        with bounded(process, 0.5), pytest.raises(playwright.Error, match=r"closed|crashed"):
            page.evaluate("() => { while (true) {} }")
        assert not browser.is_connected()
