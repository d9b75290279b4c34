"""The parts of the treemap's page that are the same for every report: its frame, its style and its script."""

PAGE = """\
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<div id="page" hidden>
<header>
<h1 id="title"></h1>
<p id="summary"></p>
<details><summary>Details</summary><dl id="facts"></dl></details>
</header>
<div id="bar"><nav id="path" aria-label="Zoom"></nav><span id="found" role="status"></span>
<input id="search" type="search" placeholder="Search names" aria-label="Search names" autocomplete="off"></div>
<div id="legend"></div>
<main id="map"></main>
</div>
<div id="tip" hidden></div>
<noscript>
{table}
</noscript>
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""

STYLE = """
:root { --ink: #16191d; --soft: #5b6470; --page: #fbfbfa; --line: #d9dcdf; --card: #fff;
  --k0: 255,163,102; --k1: 124,182,245; --k2: 139,206,160; --k3: 196,170,240; --k4: 244,207,98; --k5: 182,189,198;
  --k6: 240,156,184; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceff2; --soft: #9aa4b0; --page: #14171a; --line: #333940; --card: #20252a;
    --k0: 166,84,32; --k1: 38,94,152; --k2: 38,108,70; --k3: 100,74,158; --k4: 124,96,16; --k5: 80,88,98;
    --k6: 148,60,96; }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
html { height: 100%; }
body { margin: 0; height: 100%; background: var(--page); color: var(--ink);
  font: 14px/1.4 system-ui, "DejaVu Sans", sans-serif; }
#page { min-height: 100%; padding: 14px 18px 16px; display: flex; flex-direction: column; gap: 8px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 16px; }
h1 { margin: 0; font-size: 20px; font-weight: 650; overflow-wrap: anywhere; }
#summary { margin: 0; color: var(--soft); }
details { margin-left: auto; }
details[open] { flex-basis: 100%; margin: 4px 0 0; }
summary { cursor: pointer; color: var(--soft); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 6px 0 0; font-size: 13px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
#bar { display: flex; align-items: center; gap: 12px; }
#path { flex: 1; display: flex; flex-wrap: wrap; align-items: center; min-width: 0; }
#path button { padding: 2px 6px; border: 0; border-radius: 5px; background: none; color: inherit; font: inherit;
  cursor: pointer; }
#path button:hover { background: var(--line); }
#path button:last-child { font-weight: 650; }
#path button + button::before { content: "\\203A"; margin-right: 10px; color: var(--soft); font-weight: 400; }
#found { color: var(--soft); white-space: nowrap; }
#search { width: 15em; max-width: 40%; padding: 5px 10px; border: 1px solid var(--line); border-radius: 7px;
  background: var(--card); color: inherit; font: inherit; }
#legend { display: flex; flex-wrap: wrap; gap: 4px 8px; font-size: 13px; }
#legend button { display: flex; align-items: center; gap: 6px; padding: 2px 8px; border: 1px solid var(--line);
  border-radius: 999px; background: var(--card); color: inherit; font: inherit; cursor: pointer; }
#legend i { width: 11px; height: 11px; border-radius: 3px; background: rgb(var(--k)); }
#legend b { color: var(--soft); font-weight: 400; font-variant-numeric: tabular-nums; }
.k0 { --k: var(--k0); } .k1 { --k: var(--k1); } .k2 { --k: var(--k2); } .k3 { --k: var(--k3); }
.k4 { --k: var(--k4); } .k5 { --k: var(--k5); } .k6 { --k: var(--k6); }
#map { position: relative; flex: 1; min-height: 420px; overflow: hidden; }
#map div { position: absolute; overflow: hidden; border-radius: 2px; white-space: nowrap; cursor: pointer; }
#map .d0 { background: rgba(var(--k), .28); border-radius: 6px; }
#map .d1 { background: rgba(var(--k), .5); border-radius: 4px; }
#map .leaf { background: rgb(var(--k)); font-size: 12px; line-height: 15px; }
#map .leaf:hover { filter: brightness(1.08); box-shadow: inset 0 0 0 2px var(--ink); }
#map .end { cursor: default; }
#map span { display: block; padding: 1px 5px 0; overflow: hidden; text-overflow: ellipsis; pointer-events: none; }
small { margin-left: 6px; color: var(--soft); font-size: 12px; font-weight: 400; }
#map .d0 > span { font-size: 13px; font-weight: 650; line-height: 20px; }
#map .d1 > span { font-size: 12px; line-height: 16px; }
#map .leaf > span + span { opacity: .7; font-size: 11px; padding-top: 0; }
#map.searching .leaf { opacity: .22; }
#map.searching .hit { opacity: 1; box-shadow: inset 0 0 0 2px var(--ink); }
#tip { position: fixed; z-index: 2; max-width: min(520px, 90vw); padding: 7px 10px; border: 1px solid var(--line);
  border-radius: 7px; background: var(--card); box-shadow: 0 4px 18px rgba(0, 0, 0, .22); font-size: 13px;
  overflow-wrap: anywhere; pointer-events: none; }
#tip p { margin: 0; color: var(--soft); }
#tip p:first-child { color: var(--ink); font-weight: 600; }
noscript table { border-collapse: collapse; margin: 18px; font-size: 13px; }
noscript td, noscript th { padding: 2px 14px 2px 0; text-align: left; overflow-wrap: anywhere; }
"""

SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const part = (id) => document.getElementById(id);
const map = part("map"), tip = part("tip");
const HEAD = [22, 18];

function grow(name, children, kind, depth) {
  const size = children.reduce((sum, child) => sum + child.size, 0);
  const files = children.reduce((sum, child) => sum + child.files, 0);
  const node = {name, children, kind, depth, size, files, parent: null};
  for (const child of children) child.parent = node;
  return node;
}
const root = grow(data.title, data.kinds.map(([name, kind, groups]) =>
  grow(name, groups.map(([group, files]) =>
    grow(group, files.map(([path, size]) =>
      ({name: path, children: null, kind, depth: 3, size, files: 1, parent: null})), kind, 2)), kind, 1)), 0, 0);
let shown = root, drawn = [];

function human(size) {
  if (size < 1000) return size + " B";
  let unit = 0;
  for (size /= 1000; size >= 999.5 && unit < 3; unit++) size /= 1000;
  return size.toFixed(1) + " " + ["kB", "MB", "GB", "TB"][unit];
}
const percent = (size) => (root.size ? (100 * size / root.size).toFixed(1) : "0.0") + " %";

function make(tag, text, parent, className) {
  const element = document.createElement(tag);
  if (text !== null) element.textContent = text;
  if (className) element.className = className;
  parent.append(element);
  return element;
}

// Squarified (Bruls, Huizing, van Wijk 2000): rows along the shorter side; a row grows while its tiles get squarer.
function tiles(nodes, x, y, w, h) {
  const placed = [];
  let left = nodes.reduce((sum, node) => sum + node.size, 0);
  for (let at = 0; at < nodes.length && left > 0 && w > 0 && h > 0;) {
    const scale = w * h / left, side = Math.min(w, h);
    let end = at, area = 0, best = Infinity;
    while (end < nodes.length) {
      const sum = area + nodes[end].size * scale;
      const thick = sum / side;
      const shape = (size) => Math.max(thick * thick / (size * scale), size * scale / (thick * thick));
      const worst = Math.max(shape(nodes[at].size), shape(nodes[end].size));
      if (worst > best) break;
      best = worst; area = sum; end++;
    }
    const thick = area / side;
    for (let along = 0; at < end; at++) {
      const length = nodes[at].size * scale / thick;
      placed.push(w < h ? [nodes[at], x + along, y, length, thick] : [nodes[at], x, y + along, thick, length]);
      along += length; left -= nodes[at].size;
    }
    if (w < h) { y += thick; h -= thick; } else { x += thick; w -= thick; }
  }
  return placed;
}

function leafName(node) {
  const name = node.name.slice(node.name.lastIndexOf("/", node.name.length - 2) + 1);
  // A package's module by its last part; the tip has the whole.
  const module = node.name.includes(".pyz/") && name.startsWith(node.parent.name + ".");
  if (module) return name.slice(name.lastIndexOf(".") + 1);
  return name.replace(/\\.cpython-[^.]+(?=\\.so$)/, "");
}

function draw(node, parent, x, y, w, h) {
  // Edges on whole pixels, so that gaps are even.
  const left = Math.round(x), top = Math.round(y), width = Math.round(x + w) - left - 1;
  const height = Math.round(y + h) - top - 1;
  if (width < 1 || height < 1) return;
  const tile = make("div", null, parent, "k" + node.kind + " " + (node.children ? "d" + (node.depth - 1) : "leaf"));
  tile.style.left = left + "px"; tile.style.top = top + "px";
  tile.style.width = width + "px"; tile.style.height = height + "px";
  tile.node = node;
  if (!node.children) {
    if (shown.depth === 2) tile.classList.add("end");
    if (width > 44 && height > 17) make("span", leafName(node), tile);
    if (width > 58 && height > 33) make("span", human(node.size), tile);
    drawn.push(tile);
    return;
  }
  const head = height > 44 && width > 48 ? HEAD[node.depth - 1] : 0;
  if (head) {
    const title = make("span", node.name, tile);
    if (width > 130) make("small", human(node.size), title);
  }
  const edge = width > 14 && height > 14 ? 3 : 0;
  inside(node, tile, edge, head || edge, width - 2 * edge + 1, height - (head || edge) - edge + 1);
}

function inside(node, parent, x, y, w, h) {
  const nodes = node.children.filter((child) => child.size > 0);
  for (const [child, ...place] of tiles(nodes, x, y, w, h)) {
    // A group of one file is drawn as that file: a frame around it would show its name and size twice.
    draw(child.depth === 2 && child.files === 1 ? child.children[0] : child, parent, ...place);
  }
}

function show(node) {
  shown = node; drawn = []; tip.hidden = true;
  map.textContent = "";
  inside(node, map, 0, 0, map.clientWidth + 1, map.clientHeight + 1);
  part("path").textContent = "";
  const trail = [];
  for (let at = node; at; at = at.parent) trail.unshift(at);
  for (const at of trail) {
    const step = make("button", at === root ? "All" : at.name, part("path"));
    make("small", human(at.size), step);
    step.addEventListener("click", () => show(at));
  }
  search();
}

function search() {
  const wanted = part("search").value.trim().toLowerCase();
  map.classList.toggle("searching", wanted !== "");
  const matches = (node) => node.children ? node.children.flatMap(matches)
    : node.name.toLowerCase().includes(wanted) || node.parent.name.toLowerCase().includes(wanted) ? [node] : [];
  const found = wanted ? new Set(matches(shown)) : new Set();
  let size = 0;
  for (const node of found) size += node.size;
  for (const tile of drawn) tile.classList.toggle("hit", found.has(tile.node));
  part("found").textContent = wanted ? found.size + " found, " + human(size) : "";
}

map.addEventListener("click", (event) => {
  let node = event.target.node;
  if (node && !node.children) node = node.parent;
  if (node && node !== shown) show(node);
});
map.addEventListener("mousemove", (event) => {
  const node = event.target.node;
  tip.hidden = !node;
  if (!node) return;
  tip.textContent = "";
  make("p", node.name, tip);
  const above = node.depth === 3 ? [node.parent.parent.name, node.parent.name] : node.depth === 2 ? [node.parent.name]
    : [];
  if (above.length) make("p", above.join(" \\u203a "), tip);
  const files = node.children ? ", " + node.files + (node.files === 1 ? " item" : " items") : "";
  make("p", human(node.size) + ", " + percent(node.size) + files, tip);
  const over = event.clientX + 16 + tip.offsetWidth > innerWidth;
  tip.style.left = Math.max(4, over ? event.clientX - tip.offsetWidth - 12 : event.clientX + 16) + "px";
  tip.style.top = Math.max(4, Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 6)) + "px";
});
map.addEventListener("mouseleave", () => { tip.hidden = true; });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target !== part("search") && shown.parent) show(shown.parent);
});
part("search").addEventListener("input", search);

part("page").hidden = false;
document.title = data.title + " - freezer inspect";
part("title").textContent = data.title;
part("summary").textContent = data.summary;
for (const [name, value] of data.facts) { make("dt", name, part("facts")); make("dd", value, part("facts")); }
for (const kind of root.children) {
  const entry = make("button", null, part("legend"), "k" + kind.kind);
  make("i", null, entry); make("span", kind.name, entry);
  make("b", percent(kind.size), entry);
  entry.addEventListener("click", () => show(kind));
}
new ResizeObserver(() => show(shown)).observe(map);
"""
