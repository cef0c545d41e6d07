// parallel coordinates come last: without a graphics card the browser takes a second to get ready for them
const isSlow = figure => figure[1].some(trace => trace.type === "parcoords");
let drawing = 0;
// whoever waits for the figures need not guess how long they take
function tellDrawn() {
  if (!waiting.length && !drawing) document.documentElement.dataset.drawn = "yes";
}
function drawNext() {
  if (!waiting.length) return tellDrawn();
  const figure = waiting.shift();
  drawing += 1;
  draw(...figure).then(fitLegend).finally(() => { drawing -= 1; tellDrawn(); });
  performance.mark("drawn");
  setTimeout(drawNext);
}
// plotly gives a legend half of a figure and clips the rest: on a narrow screen a figure grows with its legend.
// A figure only grows while its window is as wide as it is, so this ends; its element keeps the height, because
// plotly forgets that of the layout when the window changes.
function fitLegend(chart) {
  const first = chart.layout.height;
  let height = first, width = innerWidth;
  const become = wanted => {
    height = wanted;
    chart.style.height = chart.parentElement.style.height = `${height}px`;
    return Plotly.relayout(chart, {height});
  };
  const fit = () => {
    if (innerWidth !== width) {
      width = innerWidth;
      if (height !== first) return become(first);
    }
    const entries = chart.querySelector(".legend .groups"), box = chart.querySelector(".legend .bg");
    if (!entries || !box) return;
    const wanted = entries.getBBox().height + 8, shown = Number(box.getAttribute("height"));
    const needed = Math.ceil(Math.max(2 * wanted + 20, height + wanted - shown));
    if (wanted > shown + 1 && needed > height) return become(needed);
  };
  const fitted = fit();
  chart.on("plotly_afterplot", fit);
  return fitted;
}
addEventListener("load", () => {
  waiting.sort((a, b) => isSlow(a) - isSlow(b));
  setTimeout(drawNext);
});
function sortBy(header) {
  const table = header.closest("table"), body = table.tBodies[0];
  const column = [...header.parentNode.children].indexOf(header);
  const rising = header.getAttribute("aria-sort") !== "ascending";
  for (const other of header.parentNode.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const cell = row => row.cells[column];
  const isMissing = row => cell(row).className === "number" && cell(row).dataset.value === undefined;
  const key = row => cell(row).dataset.value === undefined ? cell(row).textContent : Number(cell(row).dataset.value);
  const known = [...body.rows].filter(row => !isMissing(row)), missing = [...body.rows].filter(isMissing);
  known.sort((a, b) => { const x = key(a), y = key(b); return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y)); });
  if (!rising) known.reverse();
  body.append(...known, ...missing);  // a number that there is not comes last either way
}
// a link to folded words opens them
const unfold = () => { if (location.hash === "#glossary") document.getElementById("glossary").open = true; };
addEventListener("hashchange", unfold);
unfold();
for (const header of document.querySelectorAll("th")) {
  header.addEventListener("click", () => sortBy(header));
  header.addEventListener("keydown", event => { if (event.key === "Enter") sortBy(header); });
}
// without a network and from a file: not every browser gives such pages its clipboard
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.style.position = "fixed";
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const copied = await copyText(`${document.getElementById(button.dataset.copy).textContent}\n`);
    button.textContent = copied ? "Copied" : "Select and copy by hand";
    button.dataset.copied = copied ? "yes" : "no";
  });
}
const launches = document.getElementById("launch-format");
function showLaunch() {
  for (const card of document.querySelectorAll(".launch")) card.hidden = card.dataset.format !== launches.value;
}
if (launches) {
  launches.addEventListener("change", showLaunch);
  showLaunch();
}
for (const link of document.querySelectorAll("a[data-json]")) {
  const text = JSON.stringify(JSON.parse(document.getElementById("data").textContent), null, 2);
  link.href = URL.createObjectURL(new Blob([`${text}\n`], {type: "application/json"}));
}
for (const button of document.querySelectorAll("button[data-figure]")) {
  button.addEventListener("click", () => {
    const chart = document.getElementById(button.dataset.figure);
    const {width, height} = chart.getBoundingClientRect();
    Plotly.downloadImage(chart, {format: button.dataset.format, width, height, filename: button.dataset.name});
  });
}
