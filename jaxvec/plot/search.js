// The search box: completes words, and offers close matches of words that are not on the map.

const search = get("search");
const options = get("options");
const MOST = 8; // options
const fold = (text) => text.normalize("NFKC").toLowerCase().trim();
const folded = words.map(fold);
let offered = []; // words
let active = -1; // index of the highlighted one

/** The word as written, or else the most frequent one that differs in case only. */
function meant(query) {
  const exact = words.indexOf(query);
  if (exact >= 0) return exact;
  const alike = byRank.find((i) => folded[i] === fold(query));
  return alike ?? folded.indexOf(fold(query));
}

/** Words on the map that equal, begin with or contain the query; its own case first. */
function completions(query) {
  const part = fold(query), exact = query.trim();
  if (!part) return [];
  const holding = byRank.filter((i) => folded[i].includes(part));
  return [
    (i) => words[i] === exact, (i) => folded[i] === part,
    (i) => words[i].startsWith(exact), (i) => folded[i].startsWith(part),
    (i) => words[i].includes(exact), () => true,
  ].flatMap((test) => holding.filter(test))
    .filter((i, nth, all) => all.indexOf(i) === nth)
    .slice(0, MOST);
}

/** The Levenshtein distance: letters to insert, delete or change. */
function edits(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, change));
    }
    row = next;
  }
  return row[b.length];
}

/** Words on the map with a similar spelling. */
function alike(query) {
  const part = fold(query);
  const most = Math.ceil(part.length / 3);
  return byRank
    .filter((i) => Math.abs(folded[i].length - part.length) <= most)
    .map((i) => [edits(part, folded[i]), i])
    .filter(([distance]) => distance <= most)
    .map(([distance, i]) => [distance, edits(query.trim(), words[i]), i]) // in its own case first
    .sort((a, b) => a[0] - b[0] || a[1] - b[1])
    .map(([, , i]) => i);
}

function offer(list) {
  offered = list;
  active = -1;
  options.hidden = !list.length;
  search.ariaExpanded = String(Boolean(list.length));
  search.removeAttribute("aria-activedescendant");
  options.replaceChildren(
    ...list.map((i, nth) =>
      element("li", {
        id: `option-${nth}`, role: "option", ariaSelected: "false",
        onmousedown: (event) => event.preventDefault(), // keeps the focus in the box
        onclick: () => take(i),
      }, element("bdi", {}, shown[i]))));
}

function activate(nth) {
  options.children[active]?.setAttribute("aria-selected", "false");
  active = nth;
  options.children[active].setAttribute("aria-selected", "true");
  search.setAttribute("aria-activedescendant", `option-${active}`);
}

function take(i) {
  search.value = words[i];
  offer([]);
  if (matchMedia("(pointer: coarse)").matches) search.blur(); // hides the on-screen keyboard
  choose(i, { move: true });
}

function answer(query) {
  const i = meant(query);
  if (i >= 0 && onMap(i)) {
    take(i);
    return;
  }
  clearCard();
  if (i >= 0) {
    say(`“${query}” is not on this map, but near:`);
    offer(byRank.filter((other) => data.neighbors[other].includes(i)).slice(0, MOST));
  } else {
    const close = [...new Set([...alike(query), ...completions(query)])].slice(0, MOST);
    say(`“${query}” is not on this map.${close.length ? " Close matches:" : ""}`);
    offer(close);
  }
}

function listenToSearch() {
  search.addEventListener("input", () => {
    say("");
    offer(completions(search.value));
  });
  search.addEventListener("blur", () => offer([]));
  search.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && offered.length) {
      event.preventDefault();
      activate((Math.max(active, step < 0 ? 0 : -1) + step + offered.length) % offered.length);
    } else if (event.key === "Escape" && offered.length) {
      event.preventDefault();
      offer([]);
    }
  });
  search.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (active >= 0) take(offered[active]);
    else if (search.value) answer(search.value);
  });
}
