// What a person has decided: the state, its verbs, undo, the file, and what the browser keeps.

const FORMAT = "skdeepclust decisions", VERSION = 1;
const KEY = `${FORMAT} ${D.result}`;
const base = D.cluster;  // clusters of the result; their numbers never change
const numbers = new Set(base);
numbers.delete(NONE);

// The Maps and the array are never changed, but replaced: a step keeps the old ones.
const state = {
  label: base.slice(),
  hand: new Uint8Array(n),  // 1: a person has put the image where it is
  about: new Map(),  // cluster -> {name, description, accepted}
  merged: new Map(),  // cluster -> the one that it is in now
  refused: [],  // {cluster, rows}: images that are not in a cluster
  lost: {moved: [], not_in: []},  // [cluster, path]: the same of images whose files are gone
};
let sizes = new Map(), live = [];
const past = [], future = [];

const about = id => state.about.get(id) ?? {};
const nameOf = id => id === NONE ? "unclustered" : about(id).name || `cluster ${id}`;
const goneTo = id => state.merged.get(id) ?? id;
const pathOf = i => raw.get(i) ?? nameAt(i);
const raw = new Map(D.unlinked.map((i, k) => [i, D.raw[k]]));  // names that are no valid text

function recount() {
  sizes = new Map();
  for (const label of state.label) sizes.set(label, (sizes.get(label) ?? 0) + 1);
  live = [...sizes.keys()].sort((a, b) => (a === NONE) - (b === NONE) || a - b);
}

function members(id) {
  const rows = new Int32Array(sizes.get(id) ?? 0);
  for (let i = 0, j = 0; i < n; i++) if (state.label[i] === id) rows[j++] = i;
  return rows;
}

// Images about which a person has said where they belong.
function nDecided() {
  const accepted = new Set([...state.about].filter(([, said]) => said.accepted).map(([id]) => id));
  let decided = 0;
  for (let i = 0; i < n; i++) {
    const label = state.label[i];
    if (state.hand[i] || accepted.has(label) || (label === NONE && base[i] !== NONE)) decided++;
  }
  return decided;
}

// ---- Steps: what undoes one is what does it again ----------------------------------------------

const column = (Type, length, value) => typeof value === "number" ? new Type(length).fill(value) : Type.from(value);

function act(said, {rows = NOBODY, label = NONE, hand = 1, ...rest}) {
  const step = {said, rows, label: column(Int32Array, rows.length, label), hand: column(Uint8Array, rows.length, hand), rest};
  past.push(step);
  future.length = 0;
  turn(step, said);
}

function turn(step, words) {
  const touched = exchange(step);
  recount();
  keepSoon();
  tell(words);
  refresh(touched);
}

// Exchange what a step holds with the state; the clusters that look different then.
function exchange({rows, label, hand, rest}) {
  const touched = new Set();
  for (let j = 0; j < rows.length; j++) {
    const i = rows[j], oldLabel = state.label[i], oldHand = state.hand[i];
    touched.add(oldLabel).add(label[j]);
    state.label[i] = label[j];
    state.hand[i] = hand[j];
    label[j] = oldLabel;
    hand[j] = oldHand;
  }
  for (const name of Object.keys(rest)) [state[name], rest[name]] = [rest[name], state[name]];
  for (const [id, said] of rest.about ?? []) if (said !== about(id)) touched.add(id);
  for (const [id, said] of rest.about ? state.about : []) if (said !== rest.about.get(id)) touched.add(id);
  return touched;
}

function undo() {
  const step = past.pop();
  if (!step) return tell("There is nothing to undo.");
  future.push(step);
  turn(step, `Undone: ${step.said}`);
}

function redo() {
  const step = future.pop();
  if (!step) return tell("There is nothing to do again.");
  past.push(step);
  turn(step, `Done again: ${step.said}`);
}

// ---- Verbs -------------------------------------------------------------------------------------

// The next number that nothing has ever been called.
function freeNumber() {
  let most = Math.max(D.first_free - 1, ...D.clusters.map(c => c.id), ...state.about.keys(), ...state.merged.keys(), ...state.refused.map(r => r.cluster));
  for (let i = 0; i < n; i++) most = Math.max(most, state.label[i], D.second[i]);
  return most + 1;
}

function withAbout(...changes) {
  const all = new Map(state.about);
  for (const [id, said] of changes) {
    const kept = Object.fromEntries(Object.entries({...about(id), ...said}).filter(([, value]) => value));
    if (said && Object.keys(kept).length) all.set(id, kept); else all.delete(id);
  }
  return all;
}

function moveTo(rows, target) {
  rows = rows.filter(i => state.label[i] !== target);
  if (!rows.length) return tell("They are there already.");
  act(`${counted(rows.length, "image")} moved to ${nameOf(target)}`, {rows, label: target});
}

function moveToNew(rows, name) {
  const id = freeNumber();
  act(`${counted(rows.length, "image")} moved to the new ${name || `cluster ${id}`}`, {rows, label: id, about: withAbout([id, {name}])});
}

function notHere(rows) {
  rows = rows.filter(i => state.label[i] !== NONE);
  if (!rows.length) return tell("They are in no cluster already.");
  const ids = [...new Set(rows.map(i => state.label[i]))];
  const refused = ids.map(id => ({cluster: id, rows: rows.filter(i => state.label[i] === id)}));
  const where = ids.length === 1 ? nameOf(ids[0]) : counted(ids.length, "cluster");
  act(`${counted(rows.length, "image")} taken out of ${where}`, {rows, hand: 0, refused: [...state.refused, ...refused]});
}

function merge(from, into) { mergeAll([from], () => into); }

// Merge each of the clusters into another one, all in one step.
function mergeAll(ids, into) {
  const merged = new Map(state.merged), changes = new Map();
  for (const id of ids) {
    for (const [old, target] of merged) if (target === id) merged.set(old, into(id));
    merged.set(id, into(id));
    const kept = changes.get(into(id)) ?? about(into(id)), gone = about(id);
    changes.set(into(id), {...kept, name: kept.name || gone.name, description: kept.description || gone.description});
  }
  for (const id of ids) changes.set(id, null);
  const going = new Set(ids), rows = rowsWhere(i => going.has(state.label[i]));
  const words = ids.length === 1 ? `${nameOf(ids[0])} merged into ${nameOf(into(ids[0]))}` : `${counted(ids.length, "cluster")} merged into others`;
  act(words, {rows, label: rows.map(i => into(state.label[i])), hand: rows.map(i => state.hand[i]), merged, about: withAbout(...changes)});
}

function split(id) {
  const rows = members(id), side = halves(rows);
  const [first, second] = [0, 1].map(half => rows.filter((_, j) => side[j] === half));
  if (!first.length || !second.length) return tell("These images are too alike to be split.");
  const [, smaller] = [first, second].sort((a, b) => b.length - a.length), made = freeNumber();
  act(`${counted(smaller.length, "image")} of ${nameOf(id)} split off as cluster ${made}`, {
    rows: smaller, label: made, about: withAbout([id, {accepted: false}]),
  });
}

const oneLine = text => text.trim().replace(/\s+/g, " ");

function describe(id, what, text) {
  text = oneLine(text);
  const old = about(id)[what] ?? "";
  const words = what === "description" ? `${nameOf(id)} described` : text ? `cluster ${id} named ${text}` : `cluster ${id} has no name any more`;
  if (text !== old) act(words, {about: withAbout([id, {[what]: text}])});
}

function accept(id) {
  const accepted = !about(id).accepted;
  act(`${nameOf(id)} ${accepted ? "accepted" : "open again"}`, {about: withAbout([id, {accepted}])});
}

// ---- The file: docs/folders.md has its form ----------------------------------------------------

function fileText() {
  const moved = new Map(), refused = new Map();
  const put = (section, id, i) => section.has(id) ? section.get(id).add(i) : section.set(id, new Set([i]));
  const places = new Map(state.lost.moved.map(([id, path]) => [path, goneTo(id)])), held = new Set(places.values());
  const exists = id => numbers.has(id) || sizes.has(id) || held.has(id);
  for (const id of live) if (id !== NONE && !numbers.has(id)) moved.set(id, new Set());
  for (let i = 0; i < n; i++) {
    const label = state.label[i];
    if (state.hand[i]) put(moved, label, i);
    else if (label === NONE && base[i] !== NONE) put(refused, goneTo(base[i]), i);
  }
  for (const {cluster, rows} of state.refused) {
    const id = goneTo(cluster);
    if (exists(id)) for (const i of rows) if (state.label[i] !== id) put(refused, id, i);
  }
  const paths = (section, lost) => {
    const found = new Map([...section].map(([id, rows]) => [id, [...rows].sort((a, b) => a - b).map(pathOf)]));
    for (const [id, path] of lost) found.set(id, [...found.get(id) ?? [], path]);
    return Object.fromEntries(found);
  };
  const notIn = state.lost.not_in.map(([id, path]) => [goneTo(id), path]).filter(([id, path]) => exists(id) && places.get(path) !== id);
  return JSON.stringify({
    clusters: Object.fromEntries([...state.about].filter(([id]) => exists(id))),
    format: FORMAT,
    merged: Object.fromEntries([...state.merged].filter(([id]) => numbers.has(id))),
    moved: paths(moved, [...places].map(([path, id]) => [id, path])),
    not_in: paths(refused, notIn),
    result: D.result,
    version: VERSION,
  }, null, 1) + "\n";
}

// The state that a file tells of; an Error with the rest of a sentence if it can't be used.
function parsed(text) {
  const need = (holds, words) => { if (!holds) throw new Error(words); };
  const isObject = value => typeof value === "object" && value !== null && !Array.isArray(value);
  let file = null;
  try { file = JSON.parse(text); } catch { need(false, "it is no JSON"); }
  need(isObject(file) && file.format === FORMAT, "it is no file of decisions");
  need(Number.isInteger(file.version) && file.version > 0, "its version is no number");
  need(file.version <= VERSION, `it has version ${file.version}, and this page knows ${VERSION}; write the page with a newer skdeepclust`);
  need(file.result === D.result, "it is about another result");
  const unknown = Object.keys(file).find(key => !["format", "version", "result", "clusters", "merged", "moved", "not_in"].includes(key));
  need(unknown === undefined, `its version has no ${JSON.stringify(unknown)}`);

  const section = name => {
    const found = file[name] ?? {};
    need(isObject(found), `"${name}" is no object`);
    return Object.entries(found).map(([key, value]) => {
      need(/^(0|[1-9]\d{0,8})$/.test(key), `"${name}" has ${JSON.stringify(key)} in place of a cluster's number`);
      return [+key, value];
    });
  };
  const place = placesOf(["moved", "not_in"].flatMap(name => section(name).flatMap(([, paths]) => paths)));
  const gone = new Set(D.gone), lost = {moved: [], not_in: []};
  const rowsOf = name => section(name).map(([id, paths]) => {
    need(Array.isArray(paths), `"${name}" has no list of paths for cluster ${id}`);
    const rows = [];
    for (const path of paths) {
      if (place.has(path)) rows.push(place.get(path));
      else if (gone.has(path)) lost[name].push([id, path]);
      else need(false, `the result has no image ${JSON.stringify(path)}`);
    }
    return [id, Int32Array.from(rows)];
  });

  const moved = rowsOf("moved"), made = new Set(moved.map(([id]) => id)), merged = new Map(section("merged"));
  const exists = id => numbers.has(id) || made.has(id);
  const needCluster = id => need(exists(id), `the result has no cluster ${id}`);
  for (const [id, target] of merged) {
    need(Number.isInteger(target), `"merged" has no number of a cluster for ${id}`);
    need(numbers.has(id), `the result has no cluster ${id}`);
    needCluster(target);
    need(!merged.has(target), `cluster ${id} is merged into ${target}, which is merged, too`);
  }
  const into = id => merged.get(id) ?? id;
  const refused = rowsOf("not_in").map(([id, rows]) => ({cluster: into(id), rows}));
  for (const {cluster} of refused) needCluster(cluster);
  const clusters = section("clusters");
  for (const [id, said] of clusters) {
    needCluster(id);
    need(isObject(said), `"clusters" has no object for ${id}`);
    for (const [key, value] of Object.entries(said)) {
      need(["name", "description", "accepted"].includes(key), `a cluster has no ${JSON.stringify(key)}`);
      need(typeof value === (key === "accepted" ? "boolean" : "string"), `"${key}" of cluster ${id} has the wrong type`);
    }
  }

  const label = base.map(into), hand = new Uint8Array(n);
  for (const {cluster, rows} of refused) for (const i of rows) if (label[i] === cluster) label[i] = NONE;
  for (const [id, rows] of moved) for (const i of rows) {
    need(!hand[i] || label[i] === into(id), `${JSON.stringify(nameAt(i))} is moved twice`);
    hand[i] = 1;
    label[i] = into(id);
  }
  const words = said => Object.fromEntries(Object.entries(said).map(([key, value]) => [key, key === "accepted" ? value : oneLine(value)]).filter(([, value]) => value));
  return {label, hand, about: new Map(clusters.map(([id, said]) => [id, words(said)])), merged, refused, lost};
}

// The rows of these paths among all images, as far as there are any.
function placesOf(paths) {
  const wanted = new Set(paths), place = new Map();
  for (let i = 0; wanted.size && i < n; i++) {
    const name = nameAt(i);
    if (wanted.has(name)) place.set(name, i);
  }
  raw.forEach((name, i) => place.set(name, i));
  return place;
}

// Take over another state as one step, so that it can be undone.
function adopt(found, said) {
  const rows = rowsWhere(i => found.label[i] !== state.label[i] || found.hand[i] !== state.hand[i]);
  act(said, {...found, rows, label: rows.map(i => found.label[i]), hand: rows.map(i => found.hand[i])});
}

// ---- What the browser keeps, so that closing the page loses nothing -----------------------------

let waiting = 0;
function keepSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(keep, 300);
}
function keep() {
  clearTimeout(waiting);
  waiting = 0;
  try { localStorage.setItem(KEY, fileText()); }
  catch { tell("This browser keeps no more: save your decisions before you close the page."); }
}
for (const name of ["pagehide", "visibilitychange"]) addEventListener(name, () => { if (waiting) keep(); }, true);

function kept() {
  try { return localStorage.getItem(KEY); } catch { return null; }  // forbidden here, so nothing was kept
}
addEventListener("storage", event => {
  if (event.key === KEY && event.newValue) takeKept(event.newValue, "decisions of another tab taken over");
});

// The decisions of the result, then what this browser kept beyond them.
function begin() {
  if (D.decisions) Object.assign(state, parsed(JSON.stringify(D.decisions)));
  recount();
  const text = kept();
  if (text !== null) takeKept(text, "decisions that this browser has kept are shown");
}
function takeKept(text, said) {
  if (text === fileText()) return;
  try { adopt(parsed(text), said); }
  catch (error) { tell(`What this browser kept can't be used: ${error.message}.`); }
}

// ---- Nearness in a small embedding --------------------------------------------------------------

const DIM = D.codes.dim;
let codes = null;
function code() { return codes ??= bytes(D.codes.values, Int8Array); }

function middle(rows) {
  const z = code(), mean = new Float64Array(DIM);
  for (const i of rows) for (let d = 0; d < DIM; d++) mean[d] += z[i * DIM + d];
  return mean.map(sum => sum / Math.max(1, rows.length));
}

function distance(i, point) {
  const z = code();
  let sum = 0;
  for (let d = 0; d < DIM; d++) sum += (z[i * DIM + d] - point[d]) ** 2;
  return sum;
}

// Middles of all clusters, in one pass.
function middles() {
  const z = code(), found = new Map(live.map(id => [id, new Float64Array(DIM)]));
  for (let i = 0; i < n; i++) {
    const sum = found.get(state.label[i]);
    for (let d = 0; d < DIM; d++) sum[d] += z[i * DIM + d];
  }
  for (const [id, sum] of found) found.set(id, sum.map(value => value / sizes.get(id)));
  return found;
}

// 2-means: 0 or 1 for each of the rows. It starts from the sides of the longest axis.
function halves(rows) {
  const z = code(), mean = middle(rows), side = new Uint8Array(rows.length);
  let axis = new Float64Array(DIM).fill(1).map((one, d) => one + d / DIM);
  for (let turn = 0; turn < 30; turn++) {
    const next = new Float64Array(DIM);
    for (const i of rows) {
      let along = 0;
      for (let d = 0; d < DIM; d++) along += (z[i * DIM + d] - mean[d]) * axis[d];
      for (let d = 0; d < DIM; d++) next[d] += along * (z[i * DIM + d] - mean[d]);
    }
    const length = Math.hypot(...next);
    if (!length) return side;
    axis = next.map(value => value / length);
  }
  rows.forEach((i, j) => {
    let along = 0;
    for (let d = 0; d < DIM; d++) along += (z[i * DIM + d] - mean[d]) * axis[d];
    side[j] = along > 0;
  });
  for (let turn = 0, moved = 1; moved && turn < 30; turn++) {
    const [a, b] = [0, 1].map(half => middle(rows.filter((_, j) => side[j] === half)));
    moved = 0;
    rows.forEach((i, j) => {
      const nearer = +(distance(i, b) < distance(i, a));
      moved += nearer !== side[j];
      side[j] = nearer;
    });
  }
  return side;
}

const far = new Float64Array(n);  // what is in it is forgotten at once
// From the most typical: the network's own by its confidence, then those that a person put there.
function typical(id) {
  const rows = members(id), centre = middle(rows);
  for (const i of rows) far[i] = distance(i, centre);
  const sure = i => state.hand[i] ? -1 : D.confidence[i];
  return rows.sort((a, b) => sure(b) - sure(a) || far[a] - far[b]);
}
