// Meanings of words: by pointer, by keyboard, by finger. Light and dark. The start.

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

// ---- The start -----------------------------------------------------------------------------------

begin();
refresh(D.decisions ? new Set([...numbers, ...live]) : new Set());
route();
document.documentElement.dataset.ready = "yes";
