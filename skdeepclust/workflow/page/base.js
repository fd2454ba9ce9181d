// What the other scripts share: the data, how clusters look, elements, thumbnails.

const $ = (query, within = document) => within.querySelector(query);
const $$ = (query, within = document) => [...within.querySelectorAll(query)];
const D = JSON.parse($("#data").textContent);
const NONE = -1;  // in no cluster; last everywhere, grey, and without a number
const NOBODY = new Int32Array(0);

function bytes(base64, Type) {
  if (Uint8Array.fromBase64) return new Type(Uint8Array.fromBase64(base64).buffer);
  const text = atob(base64), found = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) found[i] = text.charCodeAt(i);
  return new Type(found.buffer);
}

// ---- Columns: of many images they lie in a folder beside the page, as base64 ----------------------

const COLUMNS = {
  cluster: Int32Array, confidence: Uint16Array, second: Int32Array, outlier: Float32Array, kind: Int32Array,
  slot: Int32Array, shown: Int32Array, x: Int16Array, y: Int16Array, by_name: Int32Array,
};
if (D.apart && !window.skdeepclust) {
  document.body.prepend(el("p", {className: "note"}, `This page needs the folder ${decodeURIComponent(D.apart)} beside it, which is missing.`));
  throw new Error(`no ${D.apart}`);
}
Object.assign(D, window.skdeepclust);
delete window.skdeepclust;
for (const [name, Type] of Object.entries(COLUMNS)) {
  if (typeof D[name] === "string") D[name] = bytes(D[name], Type);
  else if (D[name]) D[name] = Type.from(D[name], value => value ?? NaN);
}
const n = D.cluster.length;

// ---- Names: one text, which is searched at once -----------------------------------------------------

const names = Array.isArray(D.names) ? D.names.join("\0") : D.names;
delete D.names;
function startsOf(text) {
  const starts = new Int32Array(n + 1);
  for (let i = 1, at = -1; i <= n; i++) {
    at = text.indexOf("\0", at + 1);
    starts[i] = (at < 0 ? at = text.length : at) + 1;
  }
  return starts;
}
const starts = startsOf(names);
const nameAt = i => names.slice(starts[i], starts[i + 1] - 1);
const lowerAt = i => nameAt(i).toLowerCase();

let lower = null, lowerStarts = null;
// Whether the name of each image holds all of some words.
function holding(words) {
  if (!words.length) return () => true;
  lower ??= names.toLowerCase();
  lowerStarts ??= startsOf(lower);
  const held = new Uint16Array(n);
  words.forEach((word, k) => {
    let i = 0;
    for (let at = lower.indexOf(word); at >= 0; at = lower.indexOf(word, lowerStarts[i + 1])) {
      while (lowerStarts[i + 1] <= at) i++;
      if (held[i] === k) held[i]++;
    }
  });
  return i => held[i] === words.length;
}

// The images of which something holds.
function rowsWhere(holds) {
  const found = new Int32Array(n);
  let size = 0;
  for (let i = 0; i < n; i++) if (holds(i)) found[size++] = i;
  return found.slice(0, size);
}

const looks = new Map(D.clusters.map(c => [c.id, c]));
const PALETTE = [...new Set(D.looks.map(look => look.colour))];

const look = id => id === NONE ? D.none : looks.get(id) ?? D.looks[id % D.looks.length];
const {format} = new Intl.NumberFormat("en");
const counted = (number, what) => `${format(number)} ${what}${number === 1 ? "" : "s"}`;

// An element with properties, attributes (aria-label) and variables (--c); text is never markup.
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("--")) element.style.setProperty(name, value);
    else if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

function badge(id) {
  const {colour, writing} = look(id);
  return el("span", {className: "badge", "--c": colour, "--w": writing, "aria-hidden": "true"}, id === NONE ? "×" : String(id));
}

// ---- Thumbnails: an atlas is read and decoded when one of its images is first looked at --------

const [thumbWidth, thumbHeight, perSide] = D.thumb;
const perAtlas = perSide * perSide;
if (Math.max(thumbWidth, thumbHeight) <= 40) document.body.classList.add("small");
const large = new Map($$(".pic").map(pic => [+pic.dataset.i, $("img", pic).src]));

const atlasUrls = new Map();
function atlasUrl(number) {
  if (D.apart) return `${D.apart}/${number}.webp`;
  if (!atlasUrls.has(number)) {
    const file = new Blob([bytes($(`#atlas-${number}`).textContent, Uint8Array)], {type: "image/webp"});
    atlasUrls.set(number, URL.createObjectURL(file));
  }
  return atlasUrls.get(number);
}

function paintThumb(element, i) {
  const slot = D.slot[i];
  element.style.backgroundImage = `url("${atlasUrl(Math.floor(slot / perAtlas))}")`;
  const place = slot % perAtlas, column = place % perSide, row = Math.floor(place / perSide);
  const rows = Math.ceil(Math.min(perAtlas, n - (slot - place)) / perSide);  // the last is short
  element.style.aspectRatio = `${thumbWidth} / ${thumbHeight}`;
  element.style.backgroundSize = `${perSide * 100}% ${rows * 100}%`;
  element.style.backgroundPosition =
    `${column / (perSide - 1) * 100}% ${rows > 1 ? row / (rows - 1) * 100 : 0}%`;
}

// The image as good as the page has it.
function picture(i) {
  if (large.has(i)) return el("img", {src: large.get(i), alt: nameAt(i), decoding: "async", draggable: false});
  const thumb = el("span", {className: "thumb"});
  paintThumb(thumb, i);
  return thumb;
}
