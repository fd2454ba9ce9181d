// Clusters: the bars of their sizes, their cards, and a page for each.

const percent = id => `${(100 * (sizes.get(id) ?? 0) / n).toFixed(1)} %`;

// Mean confidence of the images that the network has put there; null of none.
function confidenceOf(rows) {
  let sum = 0, own = 0;
  for (const i of rows) if (!state.hand[i]) { sum += D.confidence[i]; own++; }
  return own ? sum / own / 1000 : null;
}

function refresh(touched) {
  medians = null;
  addCards();
  bars();
  sayLayer();
  nameClusters();
  for (const id of cards.keys()) headCard(id);
  for (const id of touched) restock(id);
  filter();
  if (current !== null) {
    if (sizes.has(current) || current === NONE) showCluster(touched.has(current));
    else route();
  }
  progress();
  mark();
  if (viewer.open) show(list[place]);
}

function bars() {
  const largest = Math.max(...sizes.values());
  $(".bars").replaceChildren(...grouped().map(id => {
    const size = sizes.get(id), title = `${nameOf(id)}, ${counted(size, "image")}`;
    return el("li", {}, el("a", {href: `#cluster-${id}`, title}, badge(id),
      el("span", {className: "called"}, (about(id).accepted ? "✓ " : "") + (id === NONE ? "unclustered" : about(id).name ?? "")),
      el("span", {className: "bar"}, el("span", {"--c": look(groupOf(id)).colour, "--share": size / largest})),
      el("span", {className: "count"}, format(size))));
  }));
}

// The clusters; those that a layer joins stand together.
function grouped() {
  return group ? [...live].sort((a, b) => (a === NONE) - (b === NONE) || groupOf(a) - groupOf(b) || a - b) : live;
}
function groupCards() {
  for (const id of grouped()) {
    const card = cards.get(id);
    card.style.setProperty("--c", look(groupOf(id)).colour);
    $("#clusters").append(card);
  }
}

// ---- Cards -------------------------------------------------------------------------------------

const cards = new Map($$("#clusters .card").map(card => [+card.dataset.cluster, card]));
const stale = new Set();  // cards whose examples are not those of now; drawn when they are seen
const cardsSeen = new IntersectionObserver(entries => {
  for (const {isIntersecting, target} of entries) if (isIntersecting) stock(+target.dataset.cluster);
}, {rootMargin: "400px"});
for (const card of cards.values()) cardsSeen.observe(card);

// A card for each new cluster, after the others and before what is in none.
function addCards() {
  for (const id of live.filter(id => !cards.has(id))) {
    const card = el("article", {className: "card", id: `cluster-${id}`, "--c": look(id).colour, "data-cluster": id},
      $("#card").content.cloneNode(true));
    const [sure, doubtful] = $$("h4", card);
    if (id === NONE) { sure.textContent = "Some of them"; doubtful.textContent = "More of them"; $(".accept", card).remove(); }
    $(".badge", card).replaceWith(badge(id));
    $(".open", card).href = `#cluster-${id}`;
    cards.set(id, card);
    $("#clusters").insertBefore(card, id === NONE ? null : cards.get(NONE) ?? null);
    cardsSeen.observe(card);
    stale.add(id);
  }
}

function headCard(id) {
  const card = cards.get(id), size = sizes.get(id) ?? 0, {accepted, description} = about(id);
  card.hidden = !size;
  card.classList.toggle("accepted", !!accepted);
  card.setAttribute("aria-label", nameOf(id));
  $("h3", card).textContent = id === NONE ? "Unclustered" : nameOf(id);
  $(".size", card).textContent = `${counted(size, "image")}, ${percent(id)}`;
  $(".description", card).textContent = description ?? "";
  const button = $(".accept", card);
  if (button) { button.textContent = accepted ? "✓ Accepted" : "Accept"; button.setAttribute("aria-pressed", !!accepted); }
}

function restock(id) {
  if (!cards.has(id)) return;
  stale.add(id);
  cardsSeen.unobserve(cards.get(id));  // so that it is told again whether the card is seen
  cardsSeen.observe(cards.get(id));
}

// The examples of a card, as they are now.
function stock(id) {
  if (!stale.delete(id) || !sizes.has(id)) return;
  const card = cards.get(id), rows = typical(id), half = Math.ceil(D.examples / 2);
  const nDoubtful = Math.min(D.examples - half, Math.max(rows.length - half, 0));
  const [sure, doubtful] = $$(".strip", card);
  sure.replaceChildren(...[...rows.slice(0, half)].map(pic));
  doubtful.replaceChildren(...[...rows.slice(rows.length - nDoubtful)].reverse().map(pic));
  doubtful.parentElement.hidden = !nDoubtful;
  const mean = confidenceOf(rows);
  $(".meter", card).hidden = mean === null;
  $(".meter span", card).style.width = `${100 * mean}%`;
  $(".sure", card).textContent = mean === null ? "put together by you" : `confidence ${mean.toFixed(2)}`;
}

$("#open-only").addEventListener("change", event => $("#clusters").classList.toggle("open-only", event.target.checked));
document.addEventListener("click", event => {
  const button = event.target.closest(".accept");
  if (button) accept(button.closest("#one") ? current : +button.closest(".card").dataset.cluster);
});

// ---- The page of a cluster, at #cluster-NUMBER --------------------------------------------------

const one = $("#one"), order = $("#order"), showMembers = grid($("#members"), 96);
let current = null, overviewAt = 0;  // cluster whose page is shown; where the overview was left

function membersInOrder(id) {
  const rows = typical(id);
  if (order.value === "doubtful") rows.reverse();
  else if (order.value !== "sure") rows.sort(orders[order.value]);
  return rows;
}

function showCluster(changed) {
  const id = current, {name, description, accepted} = about(id), real = id !== NONE, size = sizes.get(id) ?? 0;
  one.style.setProperty("--c", look(id).colour);
  one.classList.toggle("accepted", !!accepted);
  $(".badge", one).replaceWith(badge(id));
  $("#name").hidden = $("#description").hidden = $("#acts").hidden = !real;
  $("#unclustered").hidden = real;
  $("#name").value = name ?? "";
  $("#name").placeholder = `Name cluster ${id}`;
  $("#description").value = description ?? "";
  $("#one-size").textContent = `${counted(size, "image")}, ${percent(id)}`;
  $(".accept", one).textContent = accepted ? "✓ Accepted" : "Accept";
  $(".accept", one).setAttribute("aria-pressed", !!accepted);
  $("#pick-members").disabled = !size;
  const proposed = looks.get(id)?.proposals ?? [];
  $("#proposals").hidden = !proposed.length || !!name;
  $("#proposals").replaceChildren(el("span", {}, "Proposed:"), ...proposed.map(word => {
    const chip = el("button", {className: "chip", type: "button"}, word);
    chip.addEventListener("click", () => { $("#name").value = word; $("#name").focus(); });
    return chip;
  }));
  $("#members").setAttribute("aria-label", `Images of ${nameOf(id)}`);
  if (changed) showMembers(membersInOrder(id));
}

for (const what of ["name", "description"]) {
  const field = $(`#${what}`);
  field.addEventListener("blur", () => describe(current, what, field.value));
  field.addEventListener("keydown", event => {
    if (event.key === "Escape") field.value = about(current)[what] ?? "";
    if (event.key === "Enter" || event.key === "Escape") $("#members").focus({preventScroll: true});
    if (event.key === "Enter") event.preventDefault();
  });
}
order.addEventListener("change", () => { showMembers(membersInOrder(current)); scrollTo({top: 0, behavior: "instant"}); });
$("#pick-members").addEventListener("click", () => pick(membersInOrder(current)));

let address = location.hash;
function visit(hash) {
  if (address === hash) return;
  // A frame, as in a notebook, has no address of its own: it goes there, but not back.
  if (location.protocol !== "about:") history.pushState(null, "", hash);
  address = hash;
  route();
}
const goTo = id => visit(`#cluster-${id}`);
function neighbour(by) {
  const place = live.indexOf(current);
  goTo(live[(place + by + live.length) % live.length]);
}
for (const button of $$("#one [data-by]")) button.addEventListener("click", () => neighbour(+button.dataset.by));

// Show what the address names: the page of a cluster, or the overview.
function route() {
  const [, number] = /^#cluster-(-1|\d+)$/.exec(address) ?? [], id = number === undefined ? null : +number;
  if (id !== null && !sizes.has(id) && id !== NONE) {  // merged, emptied, or never there
    const next = goneTo(id);
    address = sizes.has(next) ? `#cluster-${next}` : "#clusters";
    if (location.protocol !== "about:") history.replaceState(null, "", address);
    return route();
  }
  if (current !== null) document.activeElement.blur();  // a name that is being written is done
  const last = current;
  if (last === null && id !== null) overviewAt = scrollY;
  current = id;
  document.body.classList.toggle("at-one", id !== null);
  one.hidden = id === null;
  if (id !== null) {
    showCluster(true);
    scrollTo({top: 0, behavior: "instant"});
    $("#members").focus({preventScroll: true});
  } else if (last !== null) {
    const target = address.length > 1 && address !== "#clusters" ? document.getElementById(address.slice(1)) : null;
    if (target) target.scrollIntoView();
    else {
      scrollTo({top: overviewAt, behavior: "instant"});
      cards.get(last)?.querySelector(".open").focus({preventScroll: true});
    }
  }
}
// Go where the address leads. Its event comes late on a busy machine, so each key asks before it does anything.
function arrive() {
  if (location.protocol === "about:" || address === location.hash) return;
  address = location.hash;
  route();
}
addEventListener("hashchange", arrive);  // not popstate: focus would be lost again
addEventListener("keydown", arrive, {capture: true});
document.addEventListener("click", event => {
  const link = event.target.closest('a[href^="#"]');
  if (!link || location.protocol !== "about:") return;
  event.preventDefault();  // in a frame it would lead to the page around it
  visit(link.getAttribute("href"));
  if (current === null) document.getElementById(address.slice(1))?.scrollIntoView();
});
history.scrollRestoration = "manual";
