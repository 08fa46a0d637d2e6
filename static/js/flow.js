// The flow builder's few behaviours beyond forms: dragging steps, keys, the panel's focus, the words beside a slider.

const canvas = () => document.querySelector("[data-flow]");
const panel = document.getElementById("step-panel");
let dragged = null; // the card in the mouse's hand
let opened = null; // where the focus returns to when the panel closes

// ---- moving ----

// Sends the canvas' own form to a step's address, as a button of the card would.
function send(action, values) {
  const form = canvas();
  const button = form.querySelector("[data-drop]");
  for (const name of ["parent", "arm", "position"]) {
    const input = form.elements[name];
    input.disabled = !(name in values);
    input.value = values[name] ?? "";
  }
  button.setAttribute("formaction", action);
  if ("to" in values) {
    button.name = "to";
    button.value = values.to;
  } else {
    button.removeAttribute("name");
  }
  button.click();
}

// Whether a gap is where the card stands already, or within it.
const pointless = (gap, card) => {
  const item = card.closest(".flow__item");
  return item.contains(gap) || item.nextElementSibling?.querySelector(":scope > [data-gap]") === gap;
};

document.addEventListener("dragstart", (event) => {
  const card = event.target.closest?.("[data-step]");
  if (!card || !canvas()?.contains(card)) return;
  dragged = card;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", card.querySelector(".step__title").textContent.trim());
  card.classList.add("is-dragged");
  // The page may only change once the browser has taken its picture of the card.
  setTimeout(() => canvas()?.classList.add("is-dragging"));
});

// The place that the pointer means: a gap, or the one above or below the card that it is over.
function place(event) {
  const over = dragged && event.target.closest?.("[data-gap], .step");
  if (!over || !canvas().contains(over)) return null;
  let gap = over;
  if (over.matches(".step")) {
    const box = over.getBoundingClientRect();
    const item = over.closest(".flow__item");
    const lower = event.clientY > box.top + box.height / 2;
    gap = (lower ? item.nextElementSibling : item)?.querySelector(":scope > [data-gap]");
  }
  return gap && !pointless(gap, dragged) ? gap : null;
}

function point(gap) {
  for (const each of document.querySelectorAll("[data-gap].is-target")) each.classList.toggle("is-target", each === gap);
  gap?.classList.add("is-target");
}

document.addEventListener("dragover", (event) => {
  const gap = place(event);
  point(gap);
  if (gap) event.preventDefault();
});

document.addEventListener("drop", (event) => {
  const gap = place(event);
  if (!gap) return;
  event.preventDefault();
  const card = dragged;
  const { parent, arm, position } = gap.dataset;
  // Among its own brothers the places behind it move up by one once it is taken out.
  const own = card.closest(".flow__item").querySelector(":scope > [data-gap]").dataset;
  const behind = own.parent === parent && own.arm === arm && Number(own.position) < Number(position);
  letGo();
  send(card.dataset.move, { parent, arm, position: Number(position) - (behind ? 1 : 0) });
});

document.addEventListener("dragend", letGo);

function letGo() {
  dragged?.classList.remove("is-dragged");
  dragged = null;
  canvas()?.classList.remove("is-dragging");
  point(null);
}

// On a card: Alt with an arrow moves it, Delete takes it out, arrows alone lead to the next card.
document.addEventListener("keydown", (event) => {
  const link = event.target.closest?.(".step__open");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const card = link.closest("[data-step]");
  if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    event.preventDefault();
    send(card.dataset.move, { to: event.key === "ArrowUp" ? "up" : "down" });
  } else if (!event.altKey && event.key === "Delete") {
    event.preventDefault();
    card.querySelector("[id^=out-]").click();
  } else if (!event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
    const links = [...document.querySelectorAll(".step__open")];
    const next = links[links.indexOf(link) + (event.key === "ArrowUp" ? -1 : 1)];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  }
});

// ---- the panel ----

// Shows which step is open, and brings it into sight sideways where the flow is wider than its canvas.
const mark = () => {
  for (const card of document.querySelectorAll(".step.is-open")) card.classList.remove("is-open");
  if (!panel?.firstElementChild) return;
  for (const link of document.querySelectorAll(".step__open")) {
    if (new URL(link.href).pathname !== location.pathname) continue;
    const card = link.closest(".step");
    card.classList.add("is-open");
    middle(card);
  }
};

const middle = (part) => {
  const scroll = document.querySelector(".flow-scroll");
  const [inner, outer] = [part.getBoundingClientRect(), scroll.getBoundingClientRect()];
  scroll.scrollLeft += inner.left + inner.width / 2 - outer.left - outer.width / 2;
};

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.target === panel) opened = event.detail.elt.id;
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target === panel) {
    for (const menu of document.querySelectorAll(".flow__add[open]")) menu.open = false;
    panel.scrollTop = 0;
    panel.querySelector("[data-panel-title]")?.focus({ preventScroll: matchMedia("(min-width: 68rem)").matches });
  }
  // What was said with a part of the page goes away after a while, as with a whole page.
  for (const note of document.querySelectorAll("#toasts .note[data-lasts]:not([data-fades])")) {
    note.dataset.fades = "yes";
    note.dispatchEvent(new CustomEvent("note:shown", { bubbles: true }));
  }
  mark();
});
document.addEventListener("htmx:pushedIntoHistory", mark);

// A part that was drawn again stands where the old one was scrolled to.
let sideways = 0;
document.addEventListener("htmx:beforeSwap", () => (sideways = document.querySelector(".flow-scroll")?.scrollLeft ?? 0));
document.addEventListener("htmx:afterSwap", () => {
  const scroll = document.querySelector(".flow-scroll");
  if (scroll) scroll.scrollLeft = sideways;
});

function close() {
  const back = panel.querySelector("[data-close-panel]").href;
  panel.replaceChildren();
  history.pushState(null, "", back);
  mark();
  document.getElementById(opened)?.focus();
}

document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-close-panel]") && panel && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    close();
  }
});

document.addEventListener("keydown", (event) => {
  const busy = event.target.closest?.("[role=combobox][aria-expanded=true], .menu[open]");
  if (event.key === "Escape" && panel?.firstElementChild && !busy && !event.defaultPrevented) close();
});

addEventListener("popstate", () => location.reload());
if (canvas()) middle(document.querySelector(".flow-whole"));
mark();

// ---- the slider ----

document.addEventListener("input", (event) => {
  const box = event.target.closest?.("[data-holdout]");
  if (!box || event.target.type !== "range") return;
  const said = box.querySelector("output");
  said.textContent = said.dataset.words.replace("%(share)s", event.target.value).replace("%(out)s", event.target.value);
});
