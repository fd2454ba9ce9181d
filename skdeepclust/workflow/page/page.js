"use strict";
(() => {
const $ = (query, within = document) => within.querySelector(query);
const $$ = (query, within = document) => [...within.querySelectorAll(query)];
const D = JSON.parse($("#data").textContent);
const n = D.names.length;
const cluster = [...D.cluster];  // changes as images are moved; D.cluster does not
const NONE = -1;  // in no cluster; last everywhere, grey, and without a number
const clusterOf = new Map(D.clusters.map(c => [c.id, c]));
if (!clusterOf.has(NONE)) clusterOf.set(NONE, {id: NONE, name: "unclustered", ...D.none});
const lower = D.names.map(name => name.toLowerCase());
const [thumbWidth, thumbHeight, perSide] = D.thumb;
const perAtlas = perSide * perSide, nThumbs = D.slot.filter(slot => slot >= 0).length;
if (Math.max(thumbWidth, thumbHeight) <= 40) document.body.classList.add("small");

// ---- Thumbnails: an atlas is decoded when one of its images is first looked at ----------------

const atlasUrls = new Map();
function atlasUrl(number) {
  if (!atlasUrls.has(number)) {
    const bytes = Uint8Array.from(atob($(`#atlas-${number}`).textContent), c => c.charCodeAt(0));
    atlasUrls.set(number, URL.createObjectURL(new Blob([bytes], {type: "image/webp"})));
  }
  return atlasUrls.get(number);
}

function paintThumb(element, i) {
  const slot = D.slot[i];
  element.style.backgroundImage = slot < 0 ? "none" : `url(${atlasUrl(Math.floor(slot / perAtlas))})`;
  if (slot < 0) return;
  const place = slot % perAtlas, column = place % perSide, row = Math.floor(place / perSide);
  const rows = Math.ceil(Math.min(perAtlas, nThumbs - (slot - place)) / perSide);  // the last is short
  element.style.aspectRatio = `${thumbWidth} / ${thumbHeight}`;
  element.style.backgroundSize = `${perSide * 100}% ${rows * 100}%`;
  element.style.backgroundPosition =
    `${column / (perSide - 1) * 100}% ${rows > 1 ? row / (rows - 1) * 100 : 0}%`;
}

function cell(i) {
  const button = document.createElement("button"), thumb = document.createElement("span");
  button.className = "cell";
  button.dataset.i = i;
  button.title = D.names[i];
  button.setAttribute("aria-label", `${D.names[i]}, ${clusterOf.get(cluster[i]).name}`);
  button.classList.toggle("none", cluster[i] === NONE);
  button.style.setProperty("--c", clusterOf.get(cluster[i]).colour);
  thumb.className = "thumb";
  paintThumb(thumb, i);
  button.append(thumb);
  return button;
}

function whenSeen(element, act) {
  new IntersectionObserver((entries, observer) => {
    if (entries.some(e => e.isIntersecting)) { observer.disconnect(); act(); }
  }, {rootMargin: "400px"}).observe(element);
}
for (const gallery of $$("[data-images]"))
  whenSeen(gallery, () => gallery.append(...JSON.parse(gallery.dataset.images).map(cell)));

// ---- Filters -----------------------------------------------------------------------------------

const query = $("#query"), chosen = $("#cluster"), low = $("#low"), high = $("#high"), sort = $("#sort");
const orders = {
  sure: (a, b) => D.confidence[b] - D.confidence[a],
  doubtful: (a, b) => D.confidence[a] - D.confidence[b],
  alone: (a, b) => D.outlier[b] - D.outlier[a],
  name: (a, b) => lower[a] < lower[b] ? -1 : 1,
};
let matches = [], isMatch = new Uint8Array(n);

function filter() {
  const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  const from = low.value * 10, to = high.value * 10;
  matches = [];
  isMatch.fill(0);
  for (let i = 0; i < n; i++) {
    const confidence = D.confidence[i];
    if (confidence < from || confidence > to) continue;
    if (chosen.value !== "" && cluster[i] !== +chosen.value) continue;
    if (!words.every(word => lower[i].includes(word))) continue;
    isMatch[i] = 1;
    matches.push(i);
  }
  matches.sort(orders[sort.value]);
  $("#low-out").value = `≥ ${(low.value / 100).toFixed(2)}`;
  $("#high-out").value = `≤ ${(high.value / 100).toFixed(2)}`;
  $("#found").textContent = matches.length === n ? `all ${n.toLocaleString("en")} images`
    : `${matches.length.toLocaleString("en")} of ${n.toLocaleString("en")} images`;
  results.replaceChildren();
  results.scrollTop = 0;
  addResults();
  draw();
}

const results = $("#results"), CHUNK = 120;
function addResults() {
  const start = results.childElementCount;
  results.append(...matches.slice(start, start + CHUNK).map(cell));
}
results.addEventListener("scroll", () => {
  if (results.scrollTop + results.clientHeight > results.scrollHeight - 600) addResults();
});
for (const input of [query, chosen, low, high, sort]) input.addEventListener("input", filter);
function clear() {
  query.value = chosen.value = ""; low.value = 0; high.value = 100; filter();
}
$("#clear").addEventListener("click", clear);
for (const button of $$(".all")) button.addEventListener("click", () => {
  clear();
  chosen.value = button.dataset.cluster;
  filter();
  $("#map-section").scrollIntoView();
});

// ---- Map ---------------------------------------------------------------------------------------

const canvas = $("#canvas"), pen = canvas.getContext("2d"), tip = $("#tip");
const PALETTE = ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"];
let width = 0, height = 0, view = {scale: 1, x: 0, y: 0}, pointed = -1, byClass = false, queued = false;

const unit = () => Math.min(width, height) * 0.9 / 10000;
const screenX = p => width / 2 + (D.x[p] - view.x) * unit() * view.scale;
const screenY = p => height / 2 - (D.y[p] - view.y) * unit() * view.scale;
const colourOf = i => byClass ? PALETTE[D.kind[i] % PALETTE.length] : clusterOf.get(cluster[i]).colour;

const MARKERS = {
  o: (x, y, r) => pen.arc(x, y, r, 0, 2 * Math.PI),
  s: (x, y, r) => pen.rect(x - r * .9, y - r * .9, r * 1.8, r * 1.8),
  "^": (x, y, r) => polygon(x, y, [[0, -1.2], [1.1, .8], [-1.1, .8]], r),
  v: (x, y, r) => polygon(x, y, [[0, 1.2], [1.1, -.8], [-1.1, -.8]], r),
  D: (x, y, r) => polygon(x, y, [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]], r),
  x: (x, y, r) => polygon(x, y, [[-1.1, -.6], [-.6, -1.1], [0, -.5], [.6, -1.1], [1.1, -.6], [.5, 0], [1.1, .6], [.6, 1.1], [0, .5], [-.6, 1.1], [-1.1, .6], [-.5, 0]], r),
  P: (x, y, r) => { pen.rect(x - r * 1.1, y - r * .4, r * 2.2, r * .8); pen.rect(x - r * .4, y - r * 1.1, r * .8, r * 2.2); },
};
function polygon(x, y, corners, r) {
  corners.forEach(([dx, dy], k) => pen[k ? "lineTo" : "moveTo"](x + dx * r, y + dy * r));
  pen.closePath();
}

function draw() {
  if (!queued) { queued = true; requestAnimationFrame(() => { queued = false; paint(); }); }
}

function paint() {
  const ratio = devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const radius = Math.max(2, Math.min(5, Math.sqrt(14000 / D.shown.length) * .8)) * Math.min(2.2, Math.sqrt(view.scale));
  const groups = new Map();
  D.shown.forEach((i, p) => {
    const x = screenX(p), y = screenY(p);
    if (x < -9 || y < -9 || x > width + 9 || y > height + 9) return;
    const key = isMatch[i] ? `${colourOf(i)} ${byClass ? "o" : clusterOf.get(cluster[i]).marker}` : "";
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push([x, y]);
  });
  // What the filter hides is "" and lies below, then what is in no cluster.
  const none = `${D.none.colour} ${D.none.marker}`;
  const keys = [...groups.keys()].sort((a, b) => !!a - !!b || (b === none) - (a === none) || (a < b ? -1 : 1));
  for (const key of keys) {
    const [colour, marker] = key ? key.split(" ") : [style.getPropertyValue("--line"), "o"];
    pen.fillStyle = colour;
    pen.globalAlpha = key ? .78 : .9;
    for (const [x, y] of groups.get(key)) {  // one path each: overlaps stay visible
      pen.beginPath();
      MARKERS[marker](x, y, key ? radius : radius * .8);
      pen.fill();
    }
  }
  pen.globalAlpha = 1;
  if (!byClass) labels();
  if (pointed >= 0) ring(pointed, style.getPropertyValue("--ink"));
}

let medians = null;
function labels() {
  medians ??= D.clusters.filter(c => c.id !== NONE).map(c => {
    const points = D.shown.map((i, p) => p).filter(p => D.cluster[D.shown[p]] === c.id);
    const middle = axis => points.map(p => axis[p]).sort((a, b) => a - b)[points.length >> 1];
    return points.length ? [c, middle(D.x), middle(D.y)] : null;
  }).filter(Boolean);
  pen.font = "600 12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const [c, mx, my] of medians) {
    const x = width / 2 + (mx - view.x) * unit() * view.scale, y = height / 2 - (my - view.y) * unit() * view.scale;
    const half = Math.max(11, pen.measureText(c.id).width / 2 + 6);
    pen.beginPath();
    pen.roundRect(x - half, y - 11, 2 * half, 22, 11);
    pen.fillStyle = c.colour;
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = "#fff";
    pen.stroke();
    pen.fillStyle = c.writing;
    pen.fillText(c.id, x, y + .5);
  }
}

function ring(p, ink) {
  pen.beginPath();
  pen.arc(screenX(p), screenY(p), 8, 0, 2 * Math.PI);
  pen.lineWidth = 2;
  pen.strokeStyle = ink;
  pen.stroke();
}

function nearest(x, y, reach) {
  let best = -1, least = reach * reach;
  for (let p = 0; p < D.shown.length; p++) {
    if (!isMatch[D.shown[p]]) continue;
    const dx = screenX(p) - x, dy = screenY(p) - y, d = dx * dx + dy * dy;
    if (d < least) { least = d; best = p; }
  }
  return best;
}

function point(p) {
  if (p === pointed) return;
  pointed = p;
  tip.hidden = p < 0;
  if (p >= 0) {
    const i = D.shown[p];
    paintThumb($(".thumb", tip), i);
    $("b", tip).textContent = D.names[i];
    $("small", tip).textContent = `${clusterOf.get(cluster[i]).name}, ${(D.confidence[i] / 1000).toFixed(2)}` +
      (D.classes ? `, ${D.classes[D.kind[i]]}` : "");
    const x = screenX(p), y = screenY(p);
    tip.style.transform = `translate(${Math.round(x + 16 + tip.offsetWidth > width ? Math.max(4, x - 16 - tip.offsetWidth) : x + 16)}px,` +
      `${Math.round(Math.max(4, Math.min(height - tip.offsetHeight - 4, y - tip.offsetHeight / 2)))}px)`;
  }
  draw();
}

function zoom(factor, x = width / 2, y = height / 2) {
  const scale = Math.max(.6, Math.min(80, view.scale * factor)), before = unit() * view.scale, after = unit() * scale;
  view.x += (x - width / 2) * (1 / before - 1 / after);
  view.y -= (y - height / 2) * (1 / before - 1 / after);
  view.scale = scale;
  point(-1);
  draw();
}
function pan(dx, dy) {
  view.x -= dx / (unit() * view.scale);
  view.y += dy / (unit() * view.scale);
  point(-1);
  draw();
}
function home() { view = {scale: 1, x: 0, y: 0}; point(-1); draw(); }

const fingers = new Map();
let moved = 0, before = -1;
const at = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
canvas.addEventListener("pointerdown", event => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, at(event));
  moved = 0;
  before = pointed;
});
canvas.addEventListener("pointermove", event => {
  const [x, y] = at(event), old = fingers.get(event.pointerId);
  if (!old) { point(nearest(x, y, 16)); return; }
  moved += Math.hypot(x - old[0], y - old[1]);
  if (fingers.size === 2) {
    const [a, b] = [...fingers.entries()].map(([id, place]) => id === event.pointerId ? [[x, y], place] : [place, place]);
    const gap = k => Math.hypot(a[k][0] - b[k][0], a[k][1] - b[k][1]);
    zoom(gap(0) / Math.max(gap(1), 1), (a[0][0] + b[0][0]) / 2, (a[0][1] + b[0][1]) / 2);
  } else if (moved > 4) pan(x - old[0], y - old[1]);
  fingers.set(event.pointerId, [x, y]);
});
canvas.addEventListener("pointerup", event => {
  fingers.delete(event.pointerId);
  if (moved > 4) return;
  const p = nearest(...at(event), 16);
  // A finger cannot hover: its first tap shows, its second opens.
  if (p >= 0 && (event.pointerType === "mouse" || p === before)) view1(D.shown[p], [...D.shown].filter(i => isMatch[i]));
  else point(p);
});
for (const name of ["pointercancel", "lostpointercapture"]) canvas.addEventListener(name, e => fingers.delete(e.pointerId));
canvas.addEventListener("pointerleave", () => { if (!fingers.size) point(-1); });
canvas.addEventListener("wheel", event => {
  if (document.activeElement !== canvas && !event.ctrlKey) return;  // or the page could not be scrolled past it
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400), ...at(event));
}, {passive: false});
canvas.addEventListener("keydown", event => {
  const moves = {ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60]};
  if (event.key in moves) pan(...moves[event.key]);
  else if (event.key === "+" || event.key === "=") zoom(1.4);
  else if (event.key === "-") zoom(1 / 1.4);
  else if (event.key === "0") home();
  else if (event.key === "Enter" && pointed >= 0) view1(D.shown[pointed], matches);
  else return;
  event.preventDefault();
  if (event.key !== "Enter") point(nearest(width / 2, height / 2, 1e9));
});
$("#in").addEventListener("click", () => zoom(1.6));
$("#out").addEventListener("click", () => zoom(1 / 1.6));
$("#home").addEventListener("click", home);
$("#colours")?.addEventListener("click", event => {
  byClass = !byClass;
  event.target.setAttribute("aria-pressed", byClass);
  draw();
});
new ResizeObserver(() => {
  ({clientWidth: width, clientHeight: height} = canvas);
  canvas.width = width * devicePixelRatio;
  canvas.height = height * devicePixelRatio;
  draw();
}).observe(canvas);

// ---- One image ---------------------------------------------------------------------------------

const viewer = $("#viewer"), move = $("#move"), changed = new Map();
let list = [], place = 0;

function view1(i, among) {
  list = among;
  place = Math.max(0, list.indexOf(i));
  show(i);
  if (!viewer.open) viewer.showModal();
}

function show(i) {
  const big = $(".big", viewer), large = $(`.pic[data-i="${i}"] img`);
  const picture = document.createElement(large ? "img" : "span");
  if (large) { picture.src = large.src; picture.alt = D.names[i]; }
  else { picture.className = "thumb"; paintThumb(picture, i); }
  big.replaceChildren(picture);
  $(".name", viewer).textContent = D.names[i];
  const rows = [
    ["cluster", cluster[i] === NONE ? "none" : cluster[i]], ["confidence, not calibrated", (D.confidence[i] / 1000).toFixed(3)],
    ["second", D.second[i] < 0 ? "–" : D.second[i]], ["outlier score", D.outlier[i] ?? "–"],
    ...(D.classes ? [["class", D.classes[D.kind[i]]]] : []),
  ];
  $("dl", viewer).replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name; dd.textContent = value; row.append(dt, dd);
    return row;
  }));
  const link = $(".file", viewer);
  link.hidden = D.base === null || D.unlinked.includes(i);
  if (!link.hidden) link.href = D.base + D.names[i].split("/").map(encodeURIComponent).join("/");
  move.value = cluster[i];
}
const step = by => { place = (place + by + list.length) % list.length; show(list[place]); };
for (const button of $$(".step")) button.addEventListener("click", () => step(+button.dataset.step));
$("#close").addEventListener("click", () => viewer.close());
viewer.addEventListener("click", event => { if (event.target === viewer) viewer.close(); });
viewer.addEventListener("keydown", event => {
  if (event.target === move) return;
  if (event.key === "ArrowRight") step(1);
  else if (event.key === "ArrowLeft") step(-1);
});
document.addEventListener("click", event => {
  const button = event.target.closest("[data-i]");
  if (!button) return;
  const gallery = button.closest("[data-gallery]");
  view1(+button.dataset.i, gallery === results ? matches : $$("[data-i]", gallery).map(b => +b.dataset.i));
});
document.addEventListener("keydown", event => {
  if (event.key === "/" && !viewer.open && !/INPUT|SELECT/.test(document.activeElement.tagName)) {
    event.preventDefault();
    query.focus();
  }
});

// ---- Corrections -------------------------------------------------------------------------------

move.addEventListener("change", () => {
  const i = list[place];
  cluster[i] = +move.value;
  if (cluster[i] === NONE && !$(`option[value="${NONE}"]`, chosen)) chosen.append(new Option("unclustered", NONE));
  if (cluster[i] === D.cluster[i]) changed.delete(i); else changed.set(i, cluster[i]);
  $("#changes").hidden = !changed.size;
  $("#changes span").textContent = `${changed.size} image${changed.size === 1 ? "" : "s"} moved`;
  show(i);
  filter();
});
$("#save").addEventListener("click", () => {
  const quote = text => `"${text.replaceAll('"', '""')}"`;
  // A name that is no valid text is written as the bytes that it is, or no file would have it.
  const raw = new Map(D.unlinked.map((i, k) => [i, Uint8Array.from(quote(atob(D.raw[k])), c => c.charCodeAt(0))]));
  const rows = D.names.flatMap((name, i) => [raw.get(i) ?? quote(name), "," + [
    cluster[i], (D.confidence[i] / 1000).toFixed(3), D.second[i] < 0 ? '""' : D.second[i], D.outlier[i] ?? '""',
  ].join(",") + "\n"]);
  const head = '"path","cluster","confidence","second_cluster","outlier_score"';
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([head, "\n", ...rows], {type: "text/csv"}));
  link.download = "labels.csv";
  link.click();
});

// ---- Meanings of words: by pointer, by keyboard, by finger --------------------------------------

const say = $("#say");
let asked = null;
function explain(button) {
  asked = button;
  say.textContent = $(`#${button.getAttribute("aria-describedby")}`).textContent;
  say.hidden = false;
  const box = button.getBoundingClientRect(), own = say.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left, document.documentElement.clientWidth - own.width - 8));
  say.style.left = `${left}px`;
  say.style.top = `${box.bottom + own.height > innerHeight ? box.top - own.height : box.bottom}px`;
}
function hush() { asked = null; say.hidden = true; }
for (const button of $$(".term")) {
  button.removeAttribute("title");  // which is for browsers without scripts, and would come as well
  for (const name of ["pointerenter", "focus", "click"]) button.addEventListener(name, () => explain(button));
  button.addEventListener("pointerleave", event => { if (event.relatedTarget !== say && document.activeElement !== button) hush(); });
  button.addEventListener("blur", hush);
}
say.addEventListener("pointerleave", event => { if (event.relatedTarget !== asked && document.activeElement !== asked) hush(); });
document.addEventListener("keydown", event => { if (event.key === "Escape") hush(); });
addEventListener("scroll", hush, {passive: true});

// ---- Light and dark ----------------------------------------------------------------------------

$("#theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  draw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

filter();
document.documentElement.dataset.ready = "yes";
})();
