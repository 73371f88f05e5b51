// The map of words, drawn by plotly.js, and the card of the chosen word. Their data is in `#data`.

const data = JSON.parse(document.getElementById("data").textContent);
const { words, ranks, counts, x, y, labels, groups, styles } = data;
const size = x.length; // words on the map; the words after these are neighbors only
const byRank = [...x.keys()].sort((a, b) => ranks[a] - ranks[b]);
const hidden = new Set(); // groups
let chosen = -1; // a word

const get = (id) => document.getElementById(id);
const element = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const onMap = (i) => i < size;
const number = (value) => value.toLocaleString("en");

/** A visible form of a word: symbols for control characters, quotes around spaces. */
const shown = words.map((word) => {
  const picture = (c) => String.fromCharCode(c === "\x7f" ? 0x2421 : 0x2400 + c.charCodeAt(0));
  const visible = word.replace(/[\x00-\x1f\x7f]/g, picture);
  return visible.trim() ? visible : `“${visible}”`;
});

function facts(i) {
  const known = [`rank ${number(ranks[i])} of ${number(data.total)}`];
  if (counts) known.push(`count ${number(counts[i])}`);
  if (labels.length && onMap(i)) known.push(`group ${labels[groups[i]]}`);
  return known;
}

// The map

const SYMBOLS = { // for matplotlib's markers: the name in plotly.js, and a character
  o: ["circle", "●"], s: ["square", "■"], "^": ["triangle-up", "▲"], D: ["diamond", "◆"],
  v: ["triangle-down", "▼"], P: ["cross", "✚"], "*": ["star", "★"], X: ["x", "✖"],
};
const FONT = { family: "system-ui, sans-serif", size: 13 };
const HALO = Array(3).fill("0 0 3px var(--paper)").join(); // around text, on points
const LABELS = 120; // shown at once, at most
const MARGIN = 40; // pixels around the whole map
const GOAL = 60; // words in view around a word that was jumped to

const plot = get("plot");
const pen = document.createElement("canvas").getContext("2d"); // measures text
pen.font = `${FONT.size}px ${FONT.family}`;
const widths = new Map();

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
const ink = (color) => (color === "#000000" ? "var(--ink)" : color); // black fits a white page only
const color = (group) => ink(styles[group].color).replace("var(--ink)", style("--ink"));
const symbol = (group) => SYMBOLS[styles[group].marker];

/** Escapes text, in which plotly.js interprets tags and entities. */
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const short = (text) => ([...text].length > 30 ? [...text].slice(0, 29).join("") + "…" : text);
const label = (i) => plain(short(shown[i]));

const pointTraces = Array.from({ length: Math.max(labels.length, 1) }, (_, group) => {
  const members = byRank.filter((i) => groups[i] === group);
  const lines = (i) => [`<b>${label(i)}</b>`, ...facts(i).map(short).map(plain)];
  return {
    type: "scatter", mode: "markers", hoverinfo: "text", customdata: members,
    x: members.map((i) => x[i]), y: members.map((i) => y[i]),
    text: members.map((i) => lines(i).join("<br>")),
    marker: {
      color: color(group), symbol: symbol(group)[0], size: size < 2000 ? 7 : 5, opacity: 0.75,
    },
  };
});
const overlayTraces = [
  { type: "scatter", hoverinfo: "skip", mode: "lines", opacity: 0.5 },
  { type: "scatter", hoverinfo: "skip", mode: "markers" },
  { type: "scatter", hoverinfo: "skip", mode: "text", textposition: "top center" },
];
const overlayPlaces = overlayTraces.map((_, i) => pointTraces.length + i);

/** The current view: its center, the units per pixel, and its size in pixels. */
function view() {
  const { width, height, xaxis, yaxis } = plot.layout;
  const [left, right] = xaxis.range, [bottom, top] = yaxis.range;
  return {
    x: (left + right) / 2, y: (bottom + top) / 2, unit: (right - left) / width, width, height,
  };
}

/** The layout update that shows a view. */
const changes = ({ x, y, unit, width, height }) => ({
  width, height,
  "xaxis.range": [x - (unit * width) / 2, x + (unit * width) / 2],
  "yaxis.range": [y - (unit * height) / 2, y + (unit * height) / 2],
});

function wholeView({ width, height }) {
  const span = (values) => [Math.min(...values), Math.max(...values)];
  const [west, east] = span(x), [south, north] = span(y);
  const fit = (length, pixels) => length / Math.max(pixels - 2 * MARGIN, 1);
  const unit = Math.max(fit(east - west, width), fit(north - south, height)) || 0.01;
  return { x: (west + east) / 2, y: (south + north) / 2, unit, width, height };
}

/** The chosen word and its neighbors on the map. */
const marked = () => (chosen < 0 ? [] : [chosen, ...data.near[chosen]]);

/** These words, then the most frequent ones whose labels overlap no other. */
function readable(first) {
  const now = view();
  const taken = [], named = [];
  for (const i of new Set([...first, ...byRank])) {
    if (named.length === LABELS) break;
    const right = (x[i] - now.x) / now.unit + now.width / 2;
    const down = (now.y - y[i]) / now.unit + now.height / 2;
    if (!widths.has(i)) widths.set(i, pen.measureText(short(shown[i])).width);
    const half = widths.get(i) / 2 + 5;
    const box = [right - half, right + half, down - 24, down + 5];
    const inside = box[0] > 0 && box[1] < now.width && box[2] > 0 && box[3] < now.height;
    const covers = (b) => b[0] < box[1] && box[0] < b[1] && b[2] < box[3] && box[2] < b[3];
    const seen = !hidden.has(groups[i]) || first.includes(i);
    if (!seen || !inside || taken.some(covers)) continue;
    taken.push(box);
    named.push(i);
  }
  return named;
}

/** Labels, rings around the chosen word and its neighbors, and lines between them. */
function redraw() {
  const accent = style("--accent"), ink = style("--ink");
  const rings = marked(), named = readable(rings), [center, ...near] = rings;
  const at = (values, list) => list.map((i) => values[i]);
  const spokes = (values) => near.flatMap((i) => [values[center], values[i], null]);
  const ring = {
    symbol: "circle-open", color: accent, line: { width: 2 },
    size: rings.map((i) => (i === center ? 18 : 12)),
  };
  const font = {
    ...FONT, shadow: HALO, color: named.map((i) => (rings.includes(i) ? accent : ink)),
  };
  Plotly.restyle(plot, {
    x: [spokes(x), at(x, rings), at(x, named)],
    y: [spokes(y), at(y, rings), at(y, named)],
    text: [null, null, named.map((i) => (i === center ? `<b>${label(i)}</b>` : label(i)))],
    "line.color": accent, "line.width": 1, marker: [null, ring, null], textfont: [null, null, font],
  }, overlayPlaces);
}

const moveTo = (place) => Plotly.relayout(plot, changes({ ...view(), ...place }));
const zoom = (factor, right = 0, down = 0) => { // around a pixel, relative to the center
  const { x, y, unit } = view();
  const shift = unit - unit / factor;
  moveTo({ unit: unit / factor, x: x + shift * right, y: y - shift * down });
};
const showWhole = () => moveTo(wholeView(view()));
const pan = (right, up) => {
  const { x, y, unit } = view();
  moveTo({ x: x + 80 * unit * right, y: y + 80 * unit * up });
};
const goTo = (i) => {
  const enough = wholeView(view()).unit / Math.max(1, Math.sqrt(size / GOAL));
  moveTo({ x: x[i], y: y[i], unit: Math.min(enough, view().unit) });
};

function fit() {
  const { clientWidth: width, clientHeight: height } = plot;
  const old = view();
  if (!width || !height || (width === old.width && height === old.height)) return;
  const unit = old.unit * Math.max(old.width / width, old.height / height);
  moveTo({ unit, width, height });
}

const themed = () => ({
  "hoverlabel.bgcolor": style("--paper"),
  "hoverlabel.bordercolor": style("--ink"),
  "hoverlabel.font.color": style("--ink"),
});

function drawMap() {
  const start = changes(wholeView({ width: plot.clientWidth, height: plot.clientHeight }));
  const { width, height } = start;
  Plotly.newPlot(plot, [...pointTraces, ...overlayTraces], {
    width, height, margin: { l: 0, r: 0, t: 0, b: 0 }, font: FONT,
    xaxis: { visible: false, range: start["xaxis.range"] },
    yaxis: { visible: false, range: start["yaxis.range"] },
    showlegend: false, dragmode: "pan", hovermode: "closest",
    paper_bgcolor: "transparent", plot_bgcolor: "transparent",
  }, { displayModeBar: false, scrollZoom: true, doubleClick: false });
  plot.on("plotly_relayout", redraw);
  plot.on("plotly_click", ({ points }) => choose(points[0].customdata));
  plot.on("plotly_doubleclick", showWhole);
  Plotly.relayout(plot, themed());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    Plotly.relayout(plot, themed());
    const colors = pointTraces.map((_, group) => color(group));
    Plotly.restyle(plot, { "marker.color": colors }, [...colors.keys()]);
  });
  new ResizeObserver(fit).observe(plot);
}

function listenToMap() {
  const keys = {
    ArrowLeft: () => pan(-1, 0), ArrowRight: () => pan(1, 0),
    ArrowUp: () => pan(0, 1), ArrowDown: () => pan(0, -1),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: showWhole,
  };
  plot.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  get("in").onclick = () => zoom(1.5);
  get("out").onclick = () => zoom(1 / 1.5);
  get("all").onclick = showWhole;
  for (const type of ["touchstart", "touchmove", "touchend"]) {
    window.addEventListener(type, pinch, { capture: true, passive: false });
  }
}

let spread = 0; // distance of two fingers, in pixels; plotly.js handles only one

function pinch(event) {
  if (event.touches.length !== 2 || !plot.contains(event.target)) {
    spread = 0;
    return;
  }
  event.preventDefault();
  event.stopPropagation();
  const [a, b] = event.touches;
  const now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  if (event.type === "touchmove" && spread) {
    const { left, top, width, height } = plot.getBoundingClientRect();
    const right = (a.clientX + b.clientX) / 2 - left - width / 2;
    zoom(now / spread, right, (a.clientY + b.clientY) / 2 - top - height / 2);
  }
  spread = now;
}

// The card of a word, and the groups

const HINT = get("facts").textContent;

function neighbor([i, cosine]) {
  const word = element("bdi", {}, shown[i]);
  const name = onMap(i)
    ? element("button", { type: "button", onclick: () => choose(i, { move: true }) }, word)
    : element("span", {}, word, " ", element("small", {}, "not on the map"));
  name.className = onMap(i) ? "other" : "other off";
  name.title = facts(i).join(", ");
  return element("li", {}, element("span", { className: "cosine" }, cosine.toFixed(3)), name);
}

function drawList(id, found) {
  get(id).replaceChildren(...found.map(neighbor));
  get(id).parentElement.hidden = !found.length;
}

function drawCard() {
  const pairs = (list, cosines) => list[chosen].map((i, nth) => [i, cosines[chosen][nth]]);
  get("word").hidden = false;
  get("word").textContent = shown[chosen];
  get("facts").textContent = facts(chosen).join(", ");
  drawList("neighbors", pairs(data.neighbors, data.cosines));
  const listed = new Set(data.neighbors[chosen]);
  drawList("others", pairs(data.near, data.nearCosines).filter(([i]) => !listed.has(i)));
  get("card").scrollTop = 0;
}

/** Clears the choice and the card. */
function clearCard() {
  chosen = -1;
  get("word").hidden = true;
  get("word").textContent = "";
  get("facts").textContent = HINT;
  drawList("neighbors", []);
  drawList("others", []);
  redraw();
}

function drawGroups() {
  get("groups").hidden = !labels.length;
  labels.forEach((name, group) => {
    const box = element("input", { type: "checkbox", checked: true });
    box.onchange = () => {
      if (box.checked) hidden.delete(group);
      else hidden.add(group);
      Plotly.restyle(plot, { visible: box.checked }, [group]).then(redraw);
    };
    const mark = element("span", { ariaHidden: "true" }, symbol(group)[1]);
    mark.style.color = ink(styles[group].color);
    get("groups").append(element("label", {}, box, mark, element("bdi", {}, name)), " ");
  });
}

const say = (text) => (get("message").textContent = text);

/** Shows a word and its neighbors; the word is in the URL, for the back button. */
function choose(i, { move = false } = {}) {
  chosen = i;
  say("");
  drawCard();
  if (move) goTo(i);
  else redraw();
  get("map").scrollIntoView({ block: "nearest" });
  if (document.activeElement === document.body) get("word").focus({ preventScroll: true });
  location.hash = `word=${encodeURIComponent(words[i])}`;
}

function followAddress() {
  const named = location.hash.match(/^#word=(.*)$/s);
  if (!named) return;
  let word = named[1];
  try {
    word = decodeURIComponent(word);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
  const i = words.indexOf(word);
  if (i < 0 || !onMap(i)) answer(word);
  else if (i !== chosen) choose(i, { move: true });
}
