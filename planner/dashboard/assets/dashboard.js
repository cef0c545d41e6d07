// Composes the query of the page from its controls and keeps the address in step with it.
window.dash_clientside = Object.assign({}, window.dash_clientside, {
  simdl: {
    readAddress: () => window.location.search,

    // Whether the other sections are in sight or nearly: only then are they drawn, so that a change need not
    // wait for what nobody looks at.
    watch() {
      const tell = seen => window.dash_clientside.set_props("near", {data: seen.at(-1).isIntersecting});
      new IntersectionObserver(tell, {rootMargin: "600px"}).observe(document.getElementById("details"));
      return false;
    },

    // Texts of sliders that are no numbers ("auto", "all", "tp") leave their key out, as do empty fields.
    compose(choices, positions, choiceIds, sliderIds, marks, current) {
      const keep = window.dash_clientside.no_update;
      if (!choiceIds.length) return keep;
      const pairs = choiceIds.map((id, place) => [id.name, [].concat(choices[place] ?? []).join("-").trim()]);
      sliderIds.forEach((id, place) => pairs.push([id.name, textAt(marks[place], positions[place])]));
      const given = pairs.filter(([name, text]) => text && !LEFT_OUT.includes(text) && !isAlone(name, pairs));
      const query = new URLSearchParams(given).toString();
      if (query === current) return keep;
      window.history.replaceState(null, "", "?" + query);
      return query;
    },

    // What sliders stand at; "auto" with what it chose.
    label(positions, marks, possible, ids) {
      return ids.map((id, place) => {
        const text = textAt(marks[place], positions[place]);
        return LEFT_OUT.includes(text) ? possible?.auto?.[id.name] ?? text : text;
      });
    },

    // Puts what is possible into the controls as they stand now; what is chosen keeps its place among it.
    // Only what differs is set, because whatever is set is drawn anew.
    offer(possible, choiceIds, hints, options, sliderIds, positions, marks) {
      if (!possible) return null;
      const set = window.dash_clientside.set_props;
      sliderIds.forEach((id, place) => {
        const found = possible.sliders[id.name];
        if (!found) return;
        const shown = positionsOf(marks[place]), text = shown[positions[place]] ?? "";
        const room = document.getElementById(JSON.stringify({name: id.name, type: "room"}));
        if (room && (room.className !== found.className || room.title !== found.title))
          set({type: "room", name: id.name}, {className: found.className, title: found.title});
        if (found.texts.includes(text) && found.texts.join() !== shown.join())
          set(id, {marks: found.marks, max: Math.max(found.texts.length - 1, 1), value: found.texts.indexOf(text)});
      });
      choiceIds.forEach((id, place) => {
        const hint = possible.hints[id.name], menu = possible.menus[id.name];
        if (hint && hint !== hints[place]) set(id, {placeholder: hint});
        if (menu && menu.join() !== options[place]?.join()) set(id, {options: menu});
        const off = id.name in possible.switches && !possible.switches[id.name];
        if (id.name in possible.switches && off !== Boolean(options[place]?.[0]?.disabled))
          set(id, {options: [{...options[place][0], disabled: off}]});
      });
      return null;
    },

    // What a button did not do belongs to the state in which it was pressed; told here, because an answer of
    // the server to an earlier change could come after that of the button.
    forget: () => [],

    // Copies a text of the page; where the browser forbids that, selects it to be copied by hand.
    copy(presses, id) {
      if (!presses) return window.dash_clientside.no_update;
      const name = JSON.stringify({name: id.name, type: "text"});
      const shown = document.getElementById(name);
      const done = told => flash(id, told);
      const byHand = () => {
        shown.closest("details").open = true;
        window.getSelection().selectAllChildren(shown);
        done(document.execCommand("copy") ? "copied" : "selected: press Ctrl-C");
      };
      if (navigator.clipboard) navigator.clipboard.writeText(shown.textContent).then(() => done("copied"), byHand);
      else byHand();
      return "Copy to the clipboard";
    },
  },
});

const LEFT_OUT = ["auto", "all", "tp"];

// A rank alone has nobody to share the residual stream with: the switch holds again as soon as it has.
function isAlone(name, pairs) {
  const [side, key] = name.split(".");
  return key === "sequence_parallel" && pairs.some(([other, text]) => other === `${side}.tp` && text === "1");
}

function textAt(marks, position) {
  return marks?.[position]?.label ?? "";
}

function positionsOf(marks) {
  return Object.keys(marks ?? {}).map(Number).sort((one, two) => one - two).map(place => textAt(marks, place));
}

// Says for a moment on a button what it did.
function flash(id, told) {
  const button = document.getElementById(JSON.stringify({name: id.name, type: "copy"}));
  if (!button) return;
  button.dataset.told = told;
  setTimeout(() => delete button.dataset.told, 2000);
}

// Fills components that are HTML as it stands; React knows of no children there and leaves them alone.
const fill = element => { element.innerHTML = element.dataset.html; };
new MutationObserver(changes => {
  for (const change of changes) {
    if (change.type === "attributes") fill(change.target);
    for (const added of change.addedNodes) {
      if (added.nodeType !== Node.ELEMENT_NODE) continue;
      if (added.matches("[data-html]")) fill(added);
      added.querySelectorAll("[data-html]").forEach(fill);
    }
  }
}).observe(document.documentElement, {attributeFilter: ["data-html"], childList: true, subtree: true});

// A menu that opens takes typing at once: what has the focus first, the chosen option, hands it to the search box.
const opened = new WeakSet();
new MutationObserver(changes => {
  for (const change of changes)
    for (const added of change.addedNodes) {
      const menu = added.matches?.(".dash-dropdown-content") ? added : added.querySelector?.(".dash-dropdown-content");
      if (menu) opened.add(menu);
    }
}).observe(document.documentElement, {childList: true, subtree: true});
document.addEventListener("focusin", event => {
  const menu = event.target.closest?.(".dash-dropdown-content");
  if (menu && event.target.matches(".dash-options-list-option-checkbox") && opened.delete(menu)) search(menu);
});
document.addEventListener("keydown", event => {
  const menu = event.target.closest?.(".dash-dropdown-content");
  if (!menu) return;
  opened.delete(menu);
  const letter = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && event.key !== " ";
  if (letter && !event.target.matches(".dash-dropdown-search")) search(menu);
}, true);

function search(menu) {
  menu.querySelector(".dash-dropdown-search")?.focus({preventScroll: true});
}

// A button within a summary does not fold it.
document.addEventListener("click", event => {
  if (event.target.closest?.("summary button, summary a")?.tagName === "BUTTON") event.preventDefault();
}, true);
