"""The dashboard in headless Chromium: a user turns the knobs, compares, plans, cancels and shares."""

import json
import logging
import re
import threading

import pytest
from browser import PATIENCE, bounded, find_browser, remarks
from werkzeug.serving import make_server

from planner.dashboard.catalog import build_catalog
from planner.dashboard.limits import HOST
from planner.dashboard.plan_jobs import PlanJobs
from planner.dashboard.server import build_app, listening

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium found on the path"),
]

SMALL = "?model=gpt2&node=dgx-a100&count=1&global_batch=32&"


@pytest.fixture(scope="module")
def served():
    """Address and plans of a server in this process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    catalog = build_catalog()
    jobs = PlanJobs(catalog)
    with listening(HOST, 0) as opened:
        port = opened.getsockname()[1]
        place = f"http://{HOST}:{port}/"
        app = build_app(catalog, jobs, place=place)
        server = make_server(HOST, port, app.server, threaded=True, fd=opened.fileno())
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield place, jobs
        server.shutdown()
        thread.join()
        server.server_close()
    jobs.close()


@pytest.fixture(scope="module")
def context(chromium):
    """One browser for all pages, so that it reads the page's scripts once."""
    found = chromium[0].new_context()
    found.set_default_timeout(PATIENCE)
    return found


@pytest.fixture(scope="module")
def heard(context):
    """What all pages say on the console and fetch."""
    told, fetched = [], []

    def listen(page):
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: fetched.append(request.url))

    context.on("page", listen)
    return told, fetched


@pytest.fixture(autouse=True)
def silence(served, heard, chromium):
    """The console stays silent, nothing comes from elsewhere, and nothing runs without end."""
    with bounded(chromium[1]):
        yield
    told, fetched = heard
    assert remarks(told) == []
    assert [url for url in fetched if not url.startswith((served[0], "data:", "blob:"))] == []
    told.clear()


@pytest.fixture(scope="module")
def opened(context, served, heard):
    """A page as it opens without a query; tests share it."""
    assert heard
    page = context.new_page()
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(served[0])
    drawn(page)
    return page


@pytest.fixture
def page(opened):
    """The shared page; :func:`show` brings it into a state."""
    opened.set_viewport_size({"width": 1280, "height": 900})
    return opened


AT_REST = """() => {
  const {callbacks, isLoading} = window.store.getState();
  const {completed, ...waiting} = callbacks;
  return !isLoading && Object.values(waiting).every(group => group.length === 0);
}"""
"""Nothing that was asked of the page waits for an answer."""
COMPLETE = """query => {
  const cards = [...document.querySelectorAll("#verdict .card")];
  return location.search.includes(query) && cards.length && cards.every(
    card => card.dataset.complete === "yes" && card.dataset.query.includes(query));
}"""
"""Every card is of the state that the address shows, and says all of it."""
DRAWN = """() => {
  const graphs = [...document.querySelectorAll(".dash-graph")];
  return graphs.length && document.querySelector("#details .dash-graph")
    && graphs.every(graph => graph.querySelector(".js-plotly-plot .main-svg"));
}"""
"""The figures of the last callback are there, and every figure is drawn."""


def show(page, query):
    """Bring a page into a state as a button that uses a plan does: by its address, without loading it."""
    settle(page)
    page.evaluate("query => dash_clientside.set_props('address', {data: query})", query)
    settle(page)
    page.wait_for_function(COMPLETE, arg=query.rpartition("&")[2])


def settle(page):
    """Wait until all that a change leads to is there."""
    page.wait_for_function(AT_REST)


def drawn(page):
    """Wait until figures are drawn."""
    page.wait_for_selector("#figures .js-plotly-plot .main-svg")


def step_time(page, card=0):
    return page.locator("#verdict .card").nth(card).locator("dd").first.inner_text()


def slide(page, name, key):
    """Move a slider by one position, and wait until the cards have changed."""
    before = page.inner_text("#verdict")
    handle = page.locator(".control", has=page.locator(f"output[id*='{name}']")).locator("[role=slider]")
    handle.focus()
    page.keyboard.press(key)
    wait_for_change(page, before)
    settle(page)


def wait_for_change(page, before):
    page.wait_for_function("text => document.querySelector('#verdict').innerText !== text", arg=before)


EMPTY = """() => {
  const charts = [...document.querySelectorAll(".js-plotly-plot")];
  const empty = charts.filter(chart => !chart.data.length || !chart.querySelector(".point, .js-line, path")
    || chart.getBoundingClientRect().height < 100);
  const axes = charts.flatMap(chart => [chart.layout.xaxis, chart.layout.yaxis]);
  const shown = axes.filter(axis => axis && axis.visible !== false);
  const bare = shown.filter(axis => axis.type !== "category" && !axis.title?.text);
  return [charts.length, empty.length, bare.length,
    document.documentElement.scrollWidth - document.documentElement.clientWidth];
}"""


@pytest.mark.parametrize("width", [1280, 390])
def test_every_chart_has_data_and_the_page_fits_its_width(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    show(page, SMALL + f"a.pp=2&b.tp={2 if width < 800 else 4}")
    page.wait_for_selector("#words")
    page.locator("#details").scroll_into_view_if_needed()
    page.wait_for_function(DRAWN)
    page.wait_for_function(f"({EMPTY})().slice(1).every(count => count === 0)")
    charts, empty, bare, overflow = page.evaluate(EMPTY)
    assert charts == page.locator(".dash-graph").count() > 10  # two that compare, several of each strategy
    assert (empty, bare, overflow) == (0, 0, 0)


def test_a_slider_changes_the_step_time(page):
    show(page, SMALL + "a.pp=2")
    drawn(page)
    first = step_time(page)
    slide(page, "a.pp", "ArrowRight")
    assert step_time(page) != first
    assert "a.pp=4" in page.url
    page.wait_for_function(
        "document.querySelector('#figures .js-plotly-plot').data[0].y.length === 4 + 2"
    )  # its ranks
    slide(page, "a.pp", "ArrowLeft")
    assert step_time(page) == first


def test_an_invalid_choice_shows_its_reasons_and_a_button_mends_it(page):
    show(page, SMALL + "a.tp=5")
    told = page.inner_text("#verdict")
    assert "cannot be carried out" in told
    assert "tp 5 does not divide 12 heads or features of gpt2" in told
    page.wait_for_function("!document.querySelector('#figures .js-plotly-plot')")
    page.get_by_role("button", name="Apply --dp 2 --tp 4").click()
    page.wait_for_selector("#verdict .card.fits")
    assert "a.tp=4" in page.url
    assert "a.dp" not in page.url  # what is left anyway is left open
    drawn(page)


def marks(page, name):
    """Texts of a slider's positions."""
    look = "found => found.map(mark => mark.innerText)"
    return page.locator(f"""[id*='"{name}"'] .dash-slider-mark""").evaluate_all(look)


def test_sliders_end_at_what_is_possible_and_auto_says_what_it_chose(page):
    show(page, SMALL + "a.tp=2")
    page.wait_for_function("document.querySelector('output[id*=\"a.dp\"]').value === 'auto: 4'")
    assert marks(page, "a.tp") == ["1", "2", "4"]  # 12 heads
    slide(page, "a.tp", "ArrowRight")
    page.wait_for_function("document.querySelector('output[id*=\"a.dp\"]').value === 'auto: 2'")
    field = page.locator(".control", has_text="Nodes").locator("input")
    field.fill("2")
    field.press("Enter")
    page.wait_for_function("document.querySelector('output[id*=\"a.dp\"]').value === 'auto: 4'")
    assert marks(page, "a.pp") == ["1", "2", "4"]  # of 16 devices
    assert page.locator("[id*='\"a.ep\"']").first.is_hidden()  # no experts
    assert page.locator(".control", has_text="Global batch").locator("input").get_attribute("placeholder")


def test_a_menu_takes_typing_as_it_opens(page):
    show(page, SMALL + "a.tp=1")
    page.locator(".control", has_text="Model").locator("button").first.click()
    page.wait_for_selector(".dash-dropdown-content :focus")
    page.keyboard.type("resnet15")
    assert page.input_value(".dash-dropdown-search") == "resnet15"
    found = "[...document.querySelectorAll('.dash-dropdown-option')].map(option => option.innerText)"
    page.wait_for_function(f"({found}).length && ({found}).every(text => text.includes('resnet15'))")
    page.locator(".dash-dropdown-option").get_by_text("resnet152", exact=True).click()
    page.wait_for_function("location.search.includes('model=resnet152')")
    page.wait_for_selector("#verdict .card")


def test_the_launch_command_is_copied(page, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(page, SMALL + "a.tp=2&a.pp=2")
    page.get_by_role("button", name="Copy launch command").click()
    page.wait_for_selector("button[data-told=copied]")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "--tensor-model-parallel-size 2" in copied
    assert "torchrun" in copied
    page.locator("#takeaway .control button").first.click()
    page.get_by_text("DeepSpeed JSON").click()
    page.get_by_role("link", name="deepspeed.json").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="strategy.toml").or_(
            page.get_by_role("link", name="TOML strategy")
        ).first.click()
    assert "tp = 2" in download.value.path().read_text(encoding="utf-8")


def test_two_machines_are_compared(page):
    show(page, SMALL + "a.tp=2&b.tp=2")
    menu = page.locator(".side-b .control", has_text="Node type").locator("button").first
    menu.click()
    page.wait_for_selector(".dash-dropdown-content :focus")
    page.keyboard.type("dgx-h100")
    page.locator(".dash-dropdown-option").first.click()
    page.wait_for_function("document.querySelector('#words')?.innerText.includes('dgx-h100:1')")
    assert "B - A: " in page.inner_text("#words")
    assert "b.node=dgx-h100" in page.url
    page.click("#compare")
    page.wait_for_function("!location.search.includes('b.')")


def test_a_rank_alone_turns_sequence_parallelism_off(page):
    show(page, SMALL + "a.sequence_parallel=true&a.tp=2")
    slide(page, "a.tp", "ArrowLeft")
    assert page.locator("#verdict .card.fits").count() == 1
    assert "a.tp=1" in page.url
    assert "sequence_parallel" not in page.url
    slide(page, "a.tp", "ArrowRight")
    assert "a.sequence_parallel=true" in page.url


def test_money_and_hours_stand_on_the_card(page):
    show(page, SMALL + "a.tp=2&horizon=300B")
    assert "USD/h" not in page.inner_text("#verdict")
    before = page.inner_text("#verdict")
    page.locator(".control", has_text="Price").locator("input").fill("2")
    page.keyboard.press("Enter")
    wait_for_change(page, before)
    assert "USD/h" in page.inner_text("#verdict")
    assert "price=2" in page.url


def test_a_field_and_a_menu_change_the_question(page):
    show(page, SMALL)
    before = page.inner_text("#verdict")
    field = page.locator(".control", has_text="Global batch").locator("input")
    field.fill("none")
    field.press("Enter")
    wait_for_change(page, before)
    assert "global_batch: found 'none'; expected a whole number" in page.inner_text("#verdict")
    field.fill("64")
    field.press("Enter")
    page.wait_for_selector("#verdict .card.fits")
    before = page.inner_text("#verdict")
    page.locator(".control", has_text="Software stack").locator("button").click()
    page.get_by_text("torchtitan", exact=True).click()
    wait_for_change(page, before)
    assert "global_batch=64" in page.url
    assert "stack=torchtitan" in page.url


def test_an_address_restores_the_page(page):
    show(page, SMALL + "a.tp=2&b.pp=2")
    slide(page, "b.micro_batch", "ArrowRight")
    look = """() => [location.href, document.querySelector("#verdict").innerText,
      [...document.querySelectorAll("aside output, aside input")].map(one => [one.value, one.checked])]"""
    before = page.evaluate(look)
    page.goto(page.url)
    page.wait_for_selector("#words")
    settle(page)
    assert page.evaluate(look) == before


def test_a_second_strategy_is_compared_and_removed(page):
    show(page, SMALL + "a.tp=2")
    page.click("#compare")
    page.wait_for_selector("#words")
    assert "equally fast" in page.inner_text("#words")
    slide(page, "b.tp", "ArrowRight")
    page.wait_for_function("document.querySelector('#words').innerText.includes('times as fast')")
    assert "tensor parallelism 2 and 4" in page.inner_text("#words")
    page.click("#compare")
    page.wait_for_selector("#words", state="detached")
    assert "b.tp" not in page.url


def test_comparing_beside_an_invalid_field_says_why_it_does_not(page):
    show(page, SMALL + "a.tp=2")
    before = page.inner_text("#verdict")
    field = page.locator(".control", has_text="Nodes").locator("input")
    field.fill("x")
    field.press("Enter")
    wait_for_change(page, before)
    page.click("#compare")
    page.wait_for_selector("#pressed li")
    assert "count: found 'x'; expected a whole number" in page.inner_text("#pressed")
    field.fill("1")
    field.press("Enter")
    page.wait_for_selector("#pressed li", state="detached")
    page.click("#compare")
    page.wait_for_selector("#words")
    assert not page.inner_text("#pressed")


def test_files_are_downloaded(page):
    show(page, SMALL + "a.pp=2")
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON", exact=True).click()
    answer = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert download.value.suggested_filename == "a-simulate.json"
    assert answer["strategy"]["pp"] == 2
    shown = re.search(r"[\d.]+", step_time(page))[0]
    assert float(shown) == pytest.approx(answer["step_time"] * 1e3, rel=1e-3)  # [ms]


def test_a_cancelled_plan_stops(page, served):
    _, jobs = served
    show(page, "?model=megatron-1t&node=dgx-a100&count=384&a.tp=7")
    page.click("#plan-start")
    page.wait_for_selector("#plan-cancel:not([disabled])")
    job = next(job for job in jobs.jobs() if job.outcome is None)
    assert job.process.is_alive()
    page.click("#plan-cancel")
    page.wait_for_function("document.querySelector('#plan-status').innerText === 'plan: cancelled'")
    assert not job.process.is_alive()
    assert page.is_disabled("#plan-cancel")
    assert page.is_enabled("#plan-start")
    assert page.inner_text("#plan-ranked") == ""


def test_a_plan_is_followed_to_its_answer_and_used(page):
    show(page, SMALL + "a.tp=4")
    before = page.inner_text("#verdict")
    page.click("#plan-start")
    page.wait_for_selector("#plan-progress:not([hidden])")
    page.wait_for_selector("#plan-ranked .load")
    page.wait_for_selector("#plan .js-plotly-plot .main-svg")
    assert "certified best of them" in page.inner_text("#plan-status")
    top = "[...document.querySelectorAll('#ranking, #verdict')].map(part => part.getBoundingClientRect().top)"
    ranking, cards = page.evaluate(top)
    assert ranking < cards
    row = page.locator("#plan-ranked tbody tr").first
    best = row.locator("td").nth(2).inner_text()
    row.click(position={"x": row.bounding_box()["width"] / 2, "y": 5})  # anywhere in the row
    wait_for_change(page, before)
    assert step_time(page) == best
    row.get_by_role("button", name="B", exact=True).click()
    page.wait_for_selector("#words")
    assert "equally fast" in page.inner_text("#words")
