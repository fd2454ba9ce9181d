// Images in rows: what is selected, and grids that hold thousands.

const picked = new Uint8Array(n);
let nPicked = 0, anchor = null;  // anchor: where a range begins, {gallery, i}

function pickedRows() {
  const rows = new Int32Array(nPicked);
  for (let i = 0, j = 0; i < n; i++) if (picked[i]) rows[j++] = i;
  return rows;
}
function pick(rows, on = 1) {
  for (const i of rows) { nPicked += on - picked[i]; picked[i] = on; }
  pickChanged();
}
function unpick() {
  picked.fill(0);
  nPicked = 0;
  anchor = null;
  pickChanged();
}
function toggle(i) { pick([i], 1 - picked[i]); }

// Show on every image that is seen what is selected and where it is.
function mark() {
  for (const shown of $$("[data-i]")) markOne(shown);
}
function markOne(shown) {
  const i = +shown.dataset.i, id = state.label[i], on = picked[i] === 1, name = nameOf(id), marks = `${on} ${id} ${name}`;
  if (shown.marks === marks) return;
  shown.marks = marks;
  shown.classList.toggle("picked", on);
  shown.classList.toggle("none", id === NONE);
  shown.style.setProperty("--c", look(id).colour);
  shown.setAttribute(shown.matches("[role=option]") ? "aria-selected" : "aria-pressed", on);
  shown.setAttribute("aria-label", `${nameAt(i)}, ${name}`);
}

const tick = () => el("span", {className: "tick", "aria-hidden": "true"});
function pic(i) {
  const button = el("button", {className: "pic", title: nameAt(i)}, picture(i), tick());
  button.dataset.i = i;
  markOne(button);
  return button;
}
for (const button of $$(".pic")) button.append(tick());

function whenSeen(element, act) {
  new IntersectionObserver((entries, observer) => {
    if (entries.some(e => e.isIntersecting)) { observer.disconnect(); act(); }
  }, {rootMargin: "400px"}).observe(element);
}
for (const gallery of $$("[data-images]"))
  whenSeen(gallery, () => gallery.append(...JSON.parse(gallery.dataset.images).map(pic)));

// ---- A grid of any length: only what is near the window has elements ----------------------------

const TALLEST = 2e7;  // pixels: browsers show nothing below some thirty millions
const grids = new Map();  // box -> its images, in order

function grid(box, side, scroller = null) {
  const gap = 6, cells = new Map();
  let list = NOBODY, columns = 1, most = 0, pitch = side, cursor = 0, width = 0, queued = false;

  function layOut() {
    width = box.clientWidth;
    if (!width) return;  // hidden
    columns = Math.max(1, Math.floor((width + gap) / (side + gap)));
    pitch = (width + gap) / columns;
    most = Math.floor(TALLEST / pitch) * columns;
    box.style.height = `${Math.ceil(Math.min(most, list.length) / columns) * pitch}px`;
    box.replaceChildren();
    cells.clear();
    render();
  }

  function render() {
    const [top, tall] = seen();
    const first = Math.max(0, Math.floor((top - tall) / pitch)) * columns;
    const last = Math.min(list.length, most, Math.ceil((top + 2 * tall) / pitch) * columns);
    for (const [place, cell] of cells) if (place < first || place >= last) { cell.remove(); cells.delete(place); }
    for (let place = first; place < last; place++) if (!cells.has(place)) box.append(cellAt(place));
  }

  // How far the window is below the box's top, and how tall it is.
  function seen() {
    const edge = scroller ? scroller.getBoundingClientRect().top : 0;
    return [edge - box.getBoundingClientRect().top, scroller ? scroller.clientHeight : innerHeight];
  }

  function cellAt(place) {
    const i = list[place];
    const cell = el("div", {
      className: "cell", role: "option", id: `${box.id}-${place}`, title: nameAt(i),
      "aria-posinset": place + 1, "aria-setsize": list.length,
    }, picture(i), tick());
    cell.dataset.i = i;
    const x = place % columns * pitch, y = Math.floor(place / columns) * pitch;
    cell.style.cssText = `width:${pitch - gap}px;height:${pitch - gap}px;transform:translate(${x}px,${y}px)`;
    cell.classList.toggle("cursor", place === cursor);
    markOne(cell);
    cells.set(place, cell);
    return cell;
  }

  function go(place, extend) {
    if (!list.length) return;
    const from = cursor;
    cells.get(cursor)?.classList.remove("cursor");
    cursor = Math.max(0, Math.min(list.length - 1, most - 1, place));
    const [top, tall] = seen(), y = Math.floor(cursor / columns) * pitch, head = scroller ? 0 : 150, foot = scroller ? 0 : 110;
    const by = y < top + head ? y - top - head : y + pitch > top + tall - foot ? y + pitch - top - tall + foot : 0;
    (scroller ?? window).scrollBy({top: by, behavior: "instant"});
    render();
    cells.get(cursor)?.classList.add("cursor");
    box.setAttribute("aria-activedescendant", `${box.id}-${cursor}`);
    if (!extend) return;
    if (anchor?.gallery !== box) anchor = {gallery: box, i: list[from]};
    pickRange(box, list[cursor]);
  }

  box.addEventListener("keydown", event => {
    const page = columns * Math.max(1, Math.floor(seen()[1] / pitch) - 1);
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page,
      Home: -list.length, End: list.length,
    };
    if (event.key in steps) go(cursor + steps[event.key], event.shiftKey);
    else if (event.key === " " && list.length) { toggle(list[cursor]); anchor = {gallery: box, i: list[cursor]}; }
    else if (event.key === "Enter" && list.length) view1(list[cursor], list);
    else return;
    event.preventDefault();
  });
  box.addEventListener("pointerdown", event => {
    const cell = event.target.closest(".cell");
    if (cell) { cells.get(cursor)?.classList.remove("cursor"); cursor = [...cells].find(([, c]) => c === cell)[0]; cell.classList.add("cursor"); }
  });
  (scroller ?? window).addEventListener("scroll", () => {
    if (queued || !box.clientWidth) return;
    queued = true;
    requestAnimationFrame(() => { queued = false; render(); });
  }, {passive: true});
  new ResizeObserver(() => { if (box.clientWidth !== width) layOut(); }).observe(box);

  return rows => {
    if (width && rows.length === list.length && rows.every((i, place) => i === list[place])) return;
    list = rows;
    grids.set(box, list);
    cursor = Math.min(cursor, Math.max(0, list.length - 1));
    layOut();
  };
}

// ---- A click opens; with ctrl, shift or the tick, or once something is selected, it selects ------

function listOf(gallery) { return grids.get(gallery) ?? $$("[data-i]", gallery).map(shown => +shown.dataset.i); }

function pickRange(gallery, i) {
  const list = listOf(gallery), ends = [list.indexOf(anchor.i), list.indexOf(i)].sort((a, b) => a - b);
  pick(list.slice(Math.max(0, ends[0]), ends[1] + 1));
}

document.addEventListener("click", event => {
  const shown = event.target.closest("[data-i]");
  if (!shown) return;
  const i = +shown.dataset.i, gallery = shown.closest("[data-gallery]");
  if (event.shiftKey && anchor?.gallery === gallery) pickRange(gallery, i);
  else if (event.shiftKey || event.ctrlKey || event.metaKey || nPicked || event.target.matches(".tick")) {
    toggle(i);
    anchor = {gallery, i};
  } else view1(i, listOf(gallery));
});
document.addEventListener("keydown", event => {
  const shown = event.target.closest?.("button[data-i]");
  if (!shown || event.key !== " ") return;
  event.preventDefault();
  toggle(+shown.dataset.i);
  anchor = {gallery: shown.closest("[data-gallery]"), i: +shown.dataset.i};
});
