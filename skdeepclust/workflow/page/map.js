// Search, and the map with its lasso.

const added = new Uint8Array(n), addedOnly = $("#added");
for (const i of D.new) added[i] = 1;
const query = $("#query"), chosen = $("#cluster"), low = $("#low"), high = $("#high"), sort = $("#sort");
const lonely = i => Number.isNaN(D.outlier[i]) ? -1 : D.outlier[i];
const orders = {
  sure: (a, b) => D.confidence[b] - D.confidence[a],
  doubtful: (a, b) => D.confidence[a] - D.confidence[b],
  alone: (a, b) => lonely(b) - lonely(a),
  name: (a, b) => lowerAt(a) < lowerAt(b) ? -1 : 1,
};
const ordered = new Map();  // all images in each order, once it was asked for
function inOrder(name) {
  if (!ordered.has(name)) ordered.set(name, {
    sure: () => byValue(i => -D.confidence[i]), doubtful: () => byValue(i => D.confidence[i]),
    alone: () => byValue(i => Math.round(-1000 * lonely(i))), name: () => D.by_name ?? rowsWhere(() => true).sort(orders.name),
  }[name]());
  return ordered.get(name);
}
// All images from the smallest value on, a whole number below 2^28; numbers are sorted faster than by a comparison.
function byValue(value) {
  const keys = new Float64Array(n), most = 2 ** 24;
  for (let i = 0; i < n; i++) keys[i] = value(i) * most + i;
  return Int32Array.from(keys.sort(), key => key - Math.floor(key / most) * most);
}
let matches = NOBODY;
const passed = new Int32Array(n), isMatch = new Uint8Array(n), showResults = grid($("#results .cells"), 70, $("#results"));

function filter() {
  const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
  const from = low.value * 10, to = high.value * 10, only = chosen.value === "" ? null : +chosen.value;
  const isNamed = holding(words);
  isMatch.fill(0);
  let found = 0;
  for (const i of inOrder(sort.value)) {
    const sure = D.confidence[i];
    if (sure < from || sure > to || (only !== null && state.label[i] !== only)) continue;
    if (addedOnly?.checked && !added[i]) continue;
    if (!isNamed(i)) continue;
    isMatch[i] = 1;
    passed[found++] = i;
  }
  matches = passed.slice(0, found);
  $("#low-out").value = `≥ ${(low.value / 100).toFixed(2)}`;
  $("#high-out").value = `≤ ${(high.value / 100).toFixed(2)}`;
  $("#found").textContent = matches.length === n ? `all ${counted(n, "image")}`
    : `${format(matches.length)} of ${counted(n, "image")}`;
  $("#pick-found").disabled = !matches.length;
  showResults(matches);
  draw();
}
for (const input of [query, chosen, low, high, sort, addedOnly]) input?.addEventListener("input", () => {
  $("#results").scrollTop = 0;
  filter();
});
$("#clear").addEventListener("click", () => {
  query.value = chosen.value = ""; low.value = 0; high.value = 100;
  if (addedOnly) addedOnly.checked = false;
  filter();
});
$("#pick-found").addEventListener("click", () => pick(matches));

// Clusters as they are called now, for the filter.
function nameClusters() {
  const value = chosen.value;
  chosen.replaceChildren(new Option("all clusters", ""),
    ...live.map(id => new Option(`${nameOf(id)} (${format(sizes.get(id))})`, id)));
  chosen.value = value === "" || sizes.has(+value) ? value : "";
}

// ---- Map ---------------------------------------------------------------------------------------

const canvas = $("#canvas"), pen = canvas.getContext("2d"), tip = $("#tip");
let width = 0, height = 0, view = {scale: 1, x: 0, y: 0}, pointed = -1, byClass = false, drawing = false;

const unit = () => Math.min(width, height) * 0.9 / 10000;
const screenX = p => width / 2 + (D.x[p] - view.x) * unit() * view.scale;
const screenY = p => height / 2 - (D.y[p] - view.y) * unit() * view.scale;
const colourOf = i => byClass ? PALETTE[D.kind[i] % PALETTE.length] : look(groupOf(state.label[i])).colour;

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
  if (!drawing) { drawing = true; requestAnimationFrame(() => { drawing = false; paint(); }); }
}

function paint() {
  if (!canvas.width || !canvas.height) return;  // the page of a cluster hides the map
  const ratio = devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const points = within(-9, -9, width + 9, height + 9);
  if (points.length > D.markers) cloud(points, style.getPropertyValue("--line"));
  else markers(points, style.getPropertyValue("--line"));
  if (!byClass) labels();
  if (rope.length) drawRope(style.getPropertyValue("--accent"));
  if (pointed >= 0) ring(pointed, style.getPropertyValue("--ink"));
}

// Points of the map in a part of the canvas.
const seen = new Int32Array(D.shown.length);
function within(left, top, right, bottom) {
  const step = unit() * view.scale, from = view.x + (left - width / 2) / step, to = view.x + (right - width / 2) / step;
  const low = view.y - (bottom - height / 2) / step, high = view.y - (top - height / 2) / step;
  let size = 0;
  for (let p = 0; p < D.shown.length; p++)
    if (D.x[p] >= from && D.x[p] <= to && D.y[p] >= low && D.y[p] <= high) seen[size++] = p;
  return seen.subarray(0, size);
}

function markers(points, line) {
  const radius = Math.max(2, Math.min(5, Math.sqrt(14000 / Math.min(D.markers, D.shown.length)) * .8)) * Math.min(2.2, Math.sqrt(view.scale));
  const groups = new Map();
  for (const p of points) {
    const i = D.shown[p], faint = nPicked && !picked[i] ? "faint" : "";
    const key = isMatch[i] ? `${colourOf(i)} ${byClass ? "o" : look(groupOf(state.label[i])).marker} ${faint}` : "";
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push([screenX(p), screenY(p)]);
  }
  // What the filter hides is "" and lies below, then what is not selected, then what is in no cluster.
  const rank = key => !key ? 0 : key.endsWith("faint") ? 1 : key.startsWith(D.none.colour) ? 2 : 3;
  const keys = [...groups.keys()].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  for (const key of keys) {
    const [colour, marker, faint] = key ? key.split(" ") : [line, "o"];
    pen.fillStyle = colour;
    pen.globalAlpha = !key ? .9 : faint ? .18 : .78;
    for (const [x, y] of groups.get(key)) {  // one path each: overlaps stay visible
      pen.beginPath();
      MARKERS[marker](x, y, key ? radius : radius * .8);
      pen.fill();
    }
  }
  pen.globalAlpha = 1;
}

// Very many points: each pixel has the mean colour of what lies there, stronger where more does.
let sums = new Float32Array(0);
function cloud(points, line) {
  const wide = canvas.width, high = canvas.height, ratio = wide / width;
  const side = Math.max(1, Math.min(4, Math.round(Math.sqrt(wide * high / (3 * points.length)))));
  if (sums.length !== 4 * wide * high) sums = new Float32Array(4 * wide * high); else sums.fill(0);
  const step = unit() * view.scale * ratio, left = wide / 2 - view.x * step - side / 2, top = high / 2 + view.y * step - side / 2;
  const shade = shades(line);
  for (const p of points) {
    const [red, green, blue, weight] = shade(D.shown[p]);
    const x0 = Math.round(left + D.x[p] * step), y0 = Math.round(top - D.y[p] * step);
    for (let y = Math.max(0, y0); y < y0 + side && y < high; y++)
      for (let x = Math.max(0, x0), at = 4 * (y * wide + x); x < x0 + side && x < wide; x++, at += 4) {
        sums[at] += red * weight;
        sums[at + 1] += green * weight;
        sums[at + 2] += blue * weight;
        sums[at + 3] += weight;
      }
  }
  let total = 0, filled = 0;
  for (let at = 3; at < sums.length; at += 4) if (sums[at]) { total += sums[at]; filled++; }
  const usual = Math.max(1, total / filled), image = pen.createImageData(wide, high), {data} = image;
  for (let at = 0; at < sums.length; at += 4) {
    const weight = sums[at + 3];
    if (!weight) continue;
    for (let c = 0; c < 3; c++) data[at + c] = sums[at + c] / weight;
    data[at + 3] = 255 * Math.min(1, .25 * Math.min(1, weight) + .75 * (1 - Math.exp(-weight / usual)));
  }
  pen.putImageData(image, 0, 0);
}

// Red, green, blue and weight of an image in the cloud.
function shades(line) {
  const known = new Map(), parts = colour => [1, 3, 5].map(k => parseInt(colour.slice(k, k + 2), 16));
  const hidden = [...parts(hexOf(line)), .12];
  return i => {
    if (!isMatch[i]) return hidden;
    const id = byClass ? D.kind[i] % PALETTE.length : state.label[i], isFaint = nPicked && !picked[i], key = isFaint ? -9 - id : id;  // -1 is none
    let found = known.get(key);
    if (!found) known.set(key, found = [...parts(hexOf(colourOf(i))), isFaint ? .12 : 1]);
    return found;
  };
}
function hexOf(colour) { pen.fillStyle = colour; return pen.fillStyle; }

let medians = null;  // forgotten when images move
function findMedians() {
  const points = new Map(), step = Math.ceil(D.shown.length / 20000);  // some are enough
  for (let p = 0; p < D.shown.length; p += step) {
    const id = groupOf(state.label[D.shown[p]]);
    if (points.has(id)) points.get(id).push(p); else points.set(id, [p]);
  }
  points.delete(NONE);
  const middleOf = (own, axis) => Float64Array.from(own, p => axis[p]).sort()[own.length >> 1];
  return [...points].sort(([a], [b]) => a - b).map(([id, own]) => [id, middleOf(own, D.x), middleOf(own, D.y)]);
}
function labels() {
  medians ??= findMedians();
  pen.font = "600 12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (const [id, mx, my] of medians) {
    const x = width / 2 + (mx - view.x) * unit() * view.scale, y = height / 2 - (my - view.y) * unit() * view.scale;
    const name = about(id).name ?? String(id), text = name.length > 18 ? `${name.slice(0, 17)}…` : name;
    const half = Math.max(11, pen.measureText(text).width / 2 + 6);
    pen.beginPath();
    pen.roundRect(x - half, y - 11, 2 * half, 22, 11);
    pen.fillStyle = look(id).colour;
    pen.fill();
    pen.lineWidth = 1.5;
    pen.strokeStyle = "#fff";
    pen.stroke();
    pen.fillStyle = look(id).writing;
    pen.fillText(text, x, y + .5);
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
  for (const p of within(x - reach, y - reach, x + reach, y + reach)) {
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
    $("b", tip).textContent = nameAt(i);
    $("small", tip).textContent = `${nameOf(state.label[i])}, ${(D.confidence[i] / 1000).toFixed(2)}` +
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

// ---- Layers: the same clusters, joined to fewer --------------------------------------------------

const coarser = (D.layers ?? []).filter(layer => layer.k < D.clusters.filter(c => c.id !== NONE).length);
const slider = $("#layer");
let group = null;  // cluster -> the one that it is part of in the layer; null: as they are
const groupOf = id => group?.get(id) ?? id;

function setLayer(k) {
  slider.value = k;
  group = k === coarser.length ? null : new Map(D.clusters.map((c, j) => [c.id, coarser[k].of[j]]));
  medians = null;
  bars();
  groupCards();
  sayLayer();
  draw();
}
function sayLayer() {
  const real = live.filter(id => id !== NONE), left = new Set(real.map(groupOf)).size;
  $("#layer-out").value = group ? `${format(left)} of ${counted(real.length, "cluster")}` : counted(real.length, "cluster");
  $("#join").hidden = left === real.length;
}
slider.max = slider.value = coarser.length;
$("#layers").hidden = !coarser.length;
slider.addEventListener("input", () => setLayer(+slider.value));
$("#join").addEventListener("click", () => {
  mergeAll(live.filter(id => id !== NONE && groupOf(id) !== id && sizes.has(groupOf(id))), groupOf);
  setLayer(coarser.length);
});

// ---- Lasso: a rope around images selects them ---------------------------------------------------

let rope = [], lassoing = false;
function setLasso(on) {
  lassoing = on;
  $("#lasso").setAttribute("aria-pressed", on);
  canvas.classList.toggle("lassoing", on);
}
$("#lasso").addEventListener("click", () => setLasso(!lassoing));

function drawRope(colour) {
  pen.beginPath();
  rope.forEach(([x, y], k) => pen[k ? "lineTo" : "moveTo"](x, y));
  pen.closePath();
  pen.fillStyle = pen.strokeStyle = colour;
  pen.globalAlpha = .14;
  pen.fill();
  pen.globalAlpha = 1;
  pen.lineWidth = 2;
  pen.stroke();
}

// Whether a point is inside: a line from it to the right crosses the rope an odd number of times.
function isInside(x, y) {
  let inside = false;
  for (let k = 0, last = rope.length - 1; k < rope.length; last = k++) {
    const [x1, y1] = rope[k], [x2, y2] = rope[last];
    if (y1 > y !== y2 > y && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}
const matching = holds => D.shown.filter((i, p) => isMatch[i] && holds(screenX(p), screenY(p)));
function closeRope() {
  pick(matching(isInside));
  rope = [];
  draw();
}
const pickInView = () => pick(matching((x, y) => x >= 0 && y >= 0 && x <= width && y <= height));

const fingers = new Map();
let moved = 0, before = -1;
const at = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
canvas.addEventListener("pointerdown", event => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, at(event));
  moved = 0;
  before = pointed;
  rope = (lassoing || event.shiftKey) && fingers.size === 1 ? [at(event)] : [];
});
canvas.addEventListener("pointermove", event => {
  const [x, y] = at(event), old = fingers.get(event.pointerId);
  if (!old) { point(nearest(x, y, 16)); return; }
  moved += Math.hypot(x - old[0], y - old[1]);
  if (fingers.size === 2) {
    const [a, b] = [...fingers.entries()].map(([id, place]) => id === event.pointerId ? [[x, y], place] : [place, place]);
    const gap = k => Math.hypot(a[k][0] - b[k][0], a[k][1] - b[k][1]);
    zoom(gap(0) / Math.max(gap(1), 1), (a[0][0] + b[0][0]) / 2, (a[0][1] + b[0][1]) / 2);
  } else if (rope.length) { rope.push([x, y]); point(-1); draw(); }
  else if (moved > 4) pan(x - old[0], y - old[1]);
  fingers.set(event.pointerId, [x, y]);
});
canvas.addEventListener("pointerup", event => {
  fingers.delete(event.pointerId);
  if (moved > 4) { if (rope.length) closeRope(); return; }
  rope = [];
  const p = nearest(...at(event), 16);
  if (p >= 0 && (nPicked || event.ctrlKey || event.metaKey || event.shiftKey)) toggle(D.shown[p]);
  // A finger cannot hover: its first tap shows, its second opens.
  else if (p >= 0 && (event.pointerType === "mouse" || p === before)) view1(D.shown[p], D.shown.filter(i => isMatch[i]));
  else point(p);
});
for (const name of ["pointercancel", "lostpointercapture"]) canvas.addEventListener(name, e => { fingers.delete(e.pointerId); rope = []; });
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
  else if (event.key === " " && pointed >= 0) toggle(D.shown[pointed]);
  else if (event.key === "v") pickInView();
  else return;
  event.preventDefault();
  if (event.key in moves || "+=-0".includes(event.key)) point(nearest(width / 2, height / 2, 1e9));
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

