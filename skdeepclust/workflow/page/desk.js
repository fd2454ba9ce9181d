// The desk: verbs for what is selected, progress, the picker, one image, keys, files, light and dark.

// ---- What was done, and how much is open ---------------------------------------------------------

function tell(words) { $("#said").textContent = words; $("#desk").hidden = false; }

function progress() {
  const real = live.filter(id => id !== NONE), accepted = real.filter(id => about(id).accepted).length, decided = nDecided();
  $("#progress").textContent = `${accepted} of ${counted(real.length, "cluster")} accepted, ${format(decided)} of ${counted(n, "image")} decided`;
  $("#progress-bar span").style.width = `${100 * decided / n}%`;
  $("#n-clusters").textContent = format(real.length);
  if ($("#n-unclustered")) $("#n-unclustered").textContent = format(sizes.get(NONE) ?? 0);
  $("#undo").disabled = !past.length;
  $("#redo").disabled = !future.length;
  if (past.length) $("#undo").title = `Undo: ${past.at(-1).said} (Ctrl+Z)`;
  if (past.length || future.length || D.decisions) $("#desk").hidden = false;
}

function pickChanged() {
  $("#picked").hidden = !nPicked;
  $("#n-picked").textContent = `${format(nPicked)} selected`;
  if (nPicked) $("#desk").hidden = false;
  else if (!past.length && !future.length && !D.decisions) $("#desk").hidden = true;
  document.body.classList.toggle("picking", nPicked > 0);
  mark();
  draw();
}

// ---- Verbs: on the image that is open, else on what is selected ---------------------------------

const subject = () => viewer.open ? Int32Array.of(list[place]) : pickedRows();
const here = () => current ?? cardIn(document.activeElement) ?? cardIn($(".card:hover"));
const cardIn = element => { const card = element?.closest(".card"); return card ? +card.dataset.cluster : null; };

function onImages(verb) {
  return () => {
    const rows = subject();
    if (!rows.length) return tell("Select images first: Ctrl-click, Shift-click, Ctrl+A, or a lasso on the map.");
    verb(rows, () => { if (!viewer.open) unpick(); });
  };
}
function onCluster(verb) {
  return () => {
    const id = here();
    if (id === null || id === NONE) tell("Open a cluster first.");
    else verb(id);
  };
}

const verbs = {
  move: onImages((rows, done) => choose({
    title: `Move ${counted(rows.length, "image")} to`, rows, without: rows.every(i => state.label[i] === state.label[rows[0]]) ? state.label[rows[0]] : NONE,
    chosen: id => { moveTo(rows, id); done(); }, made: name => { moveToNew(rows, name); done(); },
  })),
  new: onImages((rows, done) => { moveToNew(rows, ""); done(); }),
  out: onImages((rows, done) => { notHere(rows); done(); }),
  accept: onCluster(accept),
  merge: onCluster(id => choose({
    title: `Merge ${nameOf(id)} into`, rows: members(id), without: id,
    chosen: into => { merge(id, into); if (current !== null) goTo(into); },
  })),
  split: onCluster(split),
  name: onCluster(id => { goTo(id); $("#name").select(); }),
  clear: unpick,
  undo, redo, save,
  load: () => { $("#help").close(); $("#file").click(); },
  help: () => $("#help").showModal(),
};
document.addEventListener("click", event => {
  const button = event.target.closest("[data-verb]");
  if (button) verbs[button.dataset.verb]();
});

// ---- The picker: a cluster by name or number, the nearest first ----------------------------------

const picker = $("#picker"), wanted = $("#wanted"), options = $("#options");
let question = null, offers = [], offered = 0;

function choose(what) {
  const centre = middle(what.rows), points = middles();
  const far = new Map([...points].map(([id, point]) => [id, Math.hypot(...point.map((value, d) => value - centre[d]))]));
  const ids = live.filter(id => id !== NONE && id !== what.without).sort((a, b) => far.get(a) - far.get(b));
  question = {...what, ids};
  $("#picker-title").textContent = what.title;
  wanted.value = "";
  offer();
  picker.showModal();
  wanted.focus();
}

function offer() {
  const text = oneLine(wanted.value), words = text.toLowerCase();
  const fits = id => nameOf(id).toLowerCase().includes(words) || String(id) === words;
  const exact = id => String(id) === words || nameOf(id).toLowerCase() === words;
  const found = question.ids.filter(fits).sort((a, b) => exact(b) - exact(a)).slice(0, 100);
  offers = found.map(id => () => question.chosen(id));
  const items = found.map(id => [badge(id), nameOf(id), el("small", {}, counted(sizes.get(id), "image"))]);
  if (question.made) {
    offers.push(() => question.made(text));
    items.push([el("span", {className: "badge plus", "aria-hidden": "true"}, "+"), text ? `New cluster “${text}”` : "New cluster"]);
  }
  options.replaceChildren(...items.map((parts, k) => {
    const item = el("li", {role: "option", id: `option-${k}`}, ...parts);
    item.addEventListener("click", () => take(k));
    return item;
  }));
  light(0);
}

function light(k) {
  offered = Math.max(0, Math.min(offers.length - 1, k));
  [...options.children].forEach((item, j) => item.setAttribute("aria-selected", j === offered));
  wanted.setAttribute("aria-activedescendant", `option-${offered}`);
  options.children[offered]?.scrollIntoView({block: "nearest"});
}

function take(k) {
  if (!offers[k]) return;
  picker.close();
  offers[k]();
}
wanted.addEventListener("input", offer);
wanted.addEventListener("keydown", event => {
  if (event.key === "ArrowDown") light(offered + 1);
  else if (event.key === "ArrowUp") light(offered - 1);
  else if (event.key === "Enter") take(offered);
  else return;
  event.preventDefault();
});

// ---- One image -----------------------------------------------------------------------------------

const viewer = $("#viewer");
let list = [], place = 0;

function view1(i, among) {
  list = among;
  place = Math.max(0, list.indexOf(i));
  show(i);
  if (!viewer.open) viewer.showModal();
}

function show(i) {
  $(".big", viewer).replaceChildren(itself(i));
  $(".name", viewer).textContent = nameAt(i);
  const id = state.label[i];
  const rows = [
    ["cluster", id === NONE ? "none" : about(id).name ? `${id}, ${about(id).name}` : id], ["confidence, not calibrated", (D.confidence[i] / 1000).toFixed(3)],
    ["second", D.second[i] < 0 ? "–" : D.second[i]], ["outlier score", Number.isNaN(D.outlier[i]) ? "–" : Math.round(100 * D.outlier[i]) / 100],
    ...(D.classes ? [["class", D.classes[D.kind[i]]]] : []), ...(state.hand[i] ? [["put there by", "you"]] : []),
  ];
  $("dl", viewer).replaceChildren(...rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))));
  const link = $(".file", viewer);
  link.hidden = D.base === null || raw.has(i);
  if (!link.hidden) link.href = addressOf(i);
}
const addressOf = i => D.base + nameAt(i).split("/").map(encodeURIComponent).join("/");
// The file itself, where a page of many images has but a thumbnail; that stands in for a kind that browsers don't show.
function itself(i) {
  if (!D.apart || D.base === null || raw.has(i)) return picture(i);
  const image = el("img", {src: addressOf(i), alt: nameAt(i), decoding: "async", draggable: false});
  image.addEventListener("error", () => image.replaceWith(picture(i)));
  return image;
}
const step = by => { place = (place + by + list.length) % list.length; show(list[place]); };
for (const button of $$(".step")) button.addEventListener("click", () => step(+button.dataset.step));
for (const dialog of $$("dialog")) {
  for (const button of $$(".close", dialog)) button.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
}

// ---- Keys ----------------------------------------------------------------------------------------

const KEYS = {
  m: verbs.move, n: verbs.new, x: verbs.out, Delete: verbs.out,
  a: verbs.accept, j: verbs.merge, s: verbs.split, r: verbs.name,
  "[": () => { if (current !== null) neighbour(-1); }, "]": () => { if (current !== null) neighbour(1); },
  l: () => { if (current === null) setLasso(!lassoing); }, "/": () => { if (current !== null) visit("#map-section"); query.focus(); },
  "?": verbs.help, Escape: () => { hush(); if (rope.length || nPicked) unpick(); },
};
const VIEWER_KEYS = {
  ArrowRight: () => step(1), ArrowLeft: () => step(-1), " ": () => toggle(list[place]),
  m: verbs.move, n: verbs.new, x: verbs.out, Delete: verbs.out,
};
const CTRL_KEYS = {
  z: undo, Z: redo, y: redo, s: () => { document.activeElement.blur(); save(); },
  a: () => { if (!viewer.open) pick(current === null ? matches : membersInOrder(current)); },
};
document.addEventListener("keydown", event => {
  if (event.defaultPrevented || event.altKey || $("#help").open || picker.open) return;
  const writing = event.target.matches?.('input:not([type="range"], [type="checkbox"]), textarea, select');
  const ctrl = event.ctrlKey || event.metaKey;
  if (writing && event.key !== "Escape" && !(ctrl && event.key === "s")) return;
  const key = ctrl && event.shiftKey ? event.key.toUpperCase() : event.key;
  const does = (ctrl ? CTRL_KEYS : viewer.open ? VIEWER_KEYS : KEYS)[key];
  if (!does || (key === " " && event.target.matches("button, a"))) return;
  event.preventDefault();
  does();
});

// ---- decisions.json: saved, opened, dropped ------------------------------------------------------

let chosenFile = null;  // where it was saved before, in browsers that write files
async function save() {
  if (window.showSaveFilePicker) {
    try { return tell(`Saved as ${await write(fileText())}.`); }
    catch (error) { if (error.name === "AbortError") return; }  // else it is forbidden here, as in a frame
  }
  download(fileText());
}

async function write(text) {
  chosenFile ??= await showSaveFilePicker({suggestedName: "decisions.json", types: [{accept: {"application/json": [".json"]}}]});
  const stream = await chosenFile.createWritable();
  await stream.write(text);
  await stream.close();
  return chosenFile.name;
}

function download(text) {
  const link = el("a", {href: URL.createObjectURL(new Blob([text], {type: "application/json"})), download: "decisions.json"});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  tell("Saved as decisions.json; put it into the folder of this page.");
}

async function open(file) {
  let found;
  try { found = parsed(await file.text()); }
  catch (error) { return tell(`${file.name} was not opened: ${error.message}. Nothing has changed.`); }
  adopt(found, `${file.name} opened`);
}
$("#file").addEventListener("change", event => {
  if (event.target.files.length) open(event.target.files[0]);
  event.target.value = "";
});
document.addEventListener("dragover", event => { if (event.dataTransfer.types.includes("Files")) event.preventDefault(); });
document.addEventListener("drop", event => {
  if (!event.dataTransfer.files.length) return;
  event.preventDefault();
  open(event.dataTransfer.files[0]);
});
