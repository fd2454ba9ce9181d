// What the other scripts share: the data, how clusters look, elements, thumbnails.

const $ = (query, within = document) => within.querySelector(query);
const $$ = (query, within = document) => [...within.querySelectorAll(query)];
const D = JSON.parse($("#data").textContent);
const n = D.names.length;
const NONE = -1;  // in no cluster; last everywhere, grey, and without a number
const NOBODY = new Int32Array(0);
const lower = D.names.map(name => name.toLowerCase());
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

function bytes(base64, Type) {
  const text = atob(base64), found = new Type(text.length);
  for (let i = 0; i < text.length; i++) found[i] = text.charCodeAt(i);
  return found;
}

function badge(id) {
  const {colour, writing} = look(id);
  return el("span", {className: "badge", "--c": colour, "--w": writing, "aria-hidden": "true"}, id === NONE ? "×" : String(id));
}

// ---- Thumbnails: an atlas is decoded when one of its images is first looked at ----------------

const [thumbWidth, thumbHeight, perSide] = D.thumb;
const perAtlas = perSide * perSide, nThumbs = D.slot.reduce((most, slot) => Math.max(most, slot + 1), 0);
if (Math.max(thumbWidth, thumbHeight) <= 40) document.body.classList.add("small");
const large = new Map($$(".pic").map(pic => [+pic.dataset.i, $("img", pic).src]));

const atlasUrls = new Map();
function atlasUrl(number) {
  if (!atlasUrls.has(number)) {
    const file = new Blob([bytes($(`#atlas-${number}`).textContent, Uint8Array)], {type: "image/webp"});
    atlasUrls.set(number, URL.createObjectURL(file));
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

// The image as good as the page has it.
function picture(i) {
  if (large.has(i)) return el("img", {src: large.get(i), alt: D.names[i], decoding: "async", draggable: false});
  const thumb = el("span", {className: "thumb"});
  paintThumb(thumb, i);
  return thumb;
}
