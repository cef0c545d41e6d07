// Composes the query of the page from its controls and keeps the address in step with it.
window.dash_clientside = Object.assign({}, window.dash_clientside, {
  simdl: {
    readAddress: () => window.location.search,

    // Texts of sliders that are no numbers ("auto", "all") leave their key out, as do empty fields.
    compose(choices, positions, choiceIds, sliderIds, marks, current) {
      const keep = window.dash_clientside.no_update;
      if (!choiceIds.length) return keep;
      const pairs = choiceIds.map((id, place) => [id.name, [].concat(choices[place] ?? []).join("-").trim()]);
      sliderIds.forEach((id, place) => pairs.push([id.name, textAt(marks[place], positions[place])]));
      const given = pairs.filter(([name, text]) => text && !["auto", "all"].includes(text));
      const query = new URLSearchParams(given).toString();
      if (query === current) return keep;
      window.history.replaceState(null, "", "?" + query);
      return query;
    },

    label: (position, marks) => textAt(marks, position),
  },
});

function textAt(marks, position) {
  return marks[position]?.label ?? "";
}
