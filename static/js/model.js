// The lifecycle editor's behaviours beyond forms: what is typed is kept by itself, parts open beside the model, rows
// are dragged and moved by keys. One change is sent after the other, each as its form would send it.

const panel = document.getElementById("model-panel");
const said = document.getElementById("model-said");
const base = panel.ownerDocument.getElementById("model-lists").getAttribute("action");
const WAIT = 700; // milliseconds without a key before what was typed is kept
let dirty = false; // something in the open form is not kept yet
let keeping = null; // the request that is under way
let timer = 0;
let opened = null; // where the focus returns to when the panel closes

const form = () => document.getElementById("model-form");
const say = (words) => (said.textContent = words);

// ---- sending ----

async function send(url, data) {
  const answer = await fetch(url, { method: "POST", body: data, headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!page.getElementById("model-canvas")) throw new Error("elsewhere"); // signed out, or no draft any more
  return { answer, page };
}

// The model as the answer shows it, and what it says; the open panel stays as it is.
function renew(page) {
  const focused = document.activeElement?.id;
  for (const id of ["model-canvas", "toasts"]) {
    const fresh = page.getElementById(id);
    document.getElementById(id).replaceWith(fresh);
    window.htmx.process(fresh);
  }
  mark();
  if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

// ---- keeping what is typed ----

function state(name) {
  const shown = form()?.querySelector("[data-state]");
  if (!shown) return;
  shown.hidden = false;
  shown.textContent = shown.dataset[name];
  shown.classList.toggle("model-kept--open", name === "open");
  if (name !== "keeping") say(shown.textContent);
}

function complain(page) {
  const box = document.getElementById("model-errors");
  const told = page.getElementById("model-errors");
  box.replaceChildren(...told.childNodes);
  for (const field of page.querySelectorAll("#model-form .field:has(> .field__error)")) {
    const line = document.createElement("p");
    line.className = "field__error";
    const label = field.querySelector(".field__label")?.firstChild?.textContent.trim();
    line.textContent = `${label ? `${label}: ` : ""}${field.querySelector(":scope > .field__error").textContent.trim()}`;
    box.append(line);
  }
}

async function keep() {
  clearTimeout(timer);
  while (keeping) await keeping; // what it answers may be that nothing was kept
  const open = form();
  if (!open?.hasAttribute("data-keeps") || !dirty) return !dirty;
  const data = new FormData(open);
  data.set("stay", "1");
  dirty = false;
  state("keeping");
  keeping = send(open.getAttribute("action"), data)
    .then(({ answer, page }) => {
      const now = page.querySelector("#model-form input[name=seen]");
      if (now && open.isConnected) open.elements.seen.value = now.value;
      renew(page);
      if (!answer.ok) dirty = true;
      if (open.isConnected) complain(page);
      if (answer.ok && panel.querySelector("[data-panel-title]")) {
        panel.querySelector("[data-panel-title]").textContent = page.querySelector("[data-panel-title]").textContent;
      }
      state(answer.ok && !dirty ? "kept" : "open");
    })
    .catch(() => {
      dirty = true;
      state("open");
    });
  await keeping;
  keeping = null;
  return !dirty;
}

panel.addEventListener("input", (event) => {
  const open = form();
  if (!open?.contains(event.target)) return;
  if (!open.hasAttribute("data-keeps")) return remember(open);
  dirty = true;
  clearTimeout(timer);
  state("open");
  timer = setTimeout(keep, WAIT);
});

panel.addEventListener("change", () => form()?.hasAttribute("data-keeps") && dirty && setTimeout(keep));

// A new part that was begun and left is still there when it is opened again.
const place = (open) => `model:${open.getAttribute("action")}`;
const remember = (open) => {
  const told = [...new FormData(open)].filter(([name]) => !["csrfmiddlewaretoken", "seen"].includes(name));
  sessionStorage.setItem(place(open), JSON.stringify(told));
};
const recall = () => {
  const open = form();
  if (!open?.hasAttribute("data-guards")) return;
  const told = JSON.parse(sessionStorage.getItem(place(open)) ?? "[]");
  for (const [name, value] of told) {
    const [, prefix] = name.match(/^(\w+)-\d+-/) ?? [];
    const list = prefix && open.querySelector(`[data-rows=${prefix}]`);
    if (list && !open.elements[name]) addRow(list);
    for (const input of open.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
      if (["radio", "checkbox"].includes(input.type)) input.checked = input.value === value;
      else input.value = value;
    }
  }
};

addEventListener("beforeunload", (event) => {
  if (keeping || (dirty && form()?.hasAttribute("data-keeps"))) event.preventDefault();
});

// ---- the panel ----

async function open(url, from) {
  if (!(await keep())) return;
  opened = from ?? opened;
  dirty = false;
  await window.htmx.ajax("GET", url, { target: panel, swap: "innerHTML settle:0ms" });
  history.pushState(null, "", url);
  panel.scrollTop = 0;
  panel.querySelector("[data-panel-title]")?.focus({ preventScroll: matchMedia("(min-width: 68rem)").matches });
  mark();
}

document.addEventListener("htmx:afterSwap", (event) => event.detail.target === panel && recall());

function close() {
  dirty = false;
  panel.replaceChildren();
  history.pushState(null, "", base);
  mark();
  (document.getElementById(opened) ?? document.getElementById("add-rule")).focus();
}

// Which part is open.
function mark() {
  for (const row of document.querySelectorAll(".model-row.is-open")) row.classList.remove("is-open");
  if (!panel.firstElementChild) return;
  for (const link of document.querySelectorAll("#model-lists [data-panel]")) {
    if (new URL(link.href).pathname === location.pathname) link.closest(".model-row")?.classList.add("is-open");
  }
}

document.addEventListener("click", async (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest?.("[data-panel]");
  if (link) {
    event.preventDefault();
    await open(link.getAttribute("href"), link.id || null);
  } else if (event.target.closest?.("[data-close-panel]") && panel.firstElementChild) {
    event.preventDefault();
    if (await keep()) close();
  }
  const more = event.target.closest?.("[data-add-row]");
  if (more) addRow(more.closest("[data-rows]"), true);
});

document.addEventListener("keydown", async (event) => {
  const busy = event.target.closest?.("[role=combobox][aria-expanded=true], .menu[open]");
  if (event.key !== "Escape" || !panel.firstElementChild || busy || event.defaultPrevented) return;
  if (await keep()) close();
});

addEventListener("popstate", () => location.reload());

// One more line of a list, like the last.
function addRow(list, focus = false) {
  const rows = list.querySelectorAll("[data-row]");
  const total = form().elements[`${list.dataset.rows}-TOTAL_FORMS`];
  const last = rows[rows.length - 1];
  const fresh = last.cloneNode(true);
  for (const part of fresh.querySelectorAll("[name], [for], [id]")) {
    for (const key of ["name", "id", "for"]) {
      if (part.hasAttribute(key)) part.setAttribute(key, part.getAttribute(key).replace(/-\d+-/, `-${total.value}-`));
    }
    if (part.type === "checkbox") part.checked = false;
    else if ("value" in part && part.hasAttribute("name")) part.value = "";
  }
  for (const error of fresh.querySelectorAll(".field__error")) error.remove();
  last.after(fresh);
  total.value = Number(total.value) + 1;
  if (focus) fresh.querySelector("select, input:not([type=hidden])").focus();
}

// ---- forms ----

document.addEventListener("submit", async (event) => {
  const sent = event.target;
  if (sent === form()) {
    if (event.submitter?.hasAttribute("formaction")) return (dirty = false); // taken out: the page says so, with “Undo”
    event.preventDefault();
    if (!sent.hasAttribute("data-keeps")) return add(sent);
    if (await keep()) close();
  } else if (sent.id === "model-lists" && event.submitter) {
    event.preventDefault();
    await move(event.submitter.getAttribute("formaction"), { to: event.submitter.value }, event.submitter.id);
  }
});

const parts = () => [...document.querySelectorAll(".model-row, #case-results tr[id]")];

async function add(sent) {
  const from = place(sent);
  try {
    const { answer, page } = await send(sent.getAttribute("action"), new FormData(sent));
    if (!answer.ok) {
      panel.replaceChildren(...page.getElementById("model-panel").childNodes);
      window.htmx.process(panel);
      document.dispatchEvent(new CustomEvent("htmx:load", { detail: { elt: panel.firstElementChild } }));
      (panel.querySelector("[aria-invalid=true]") ?? panel.querySelector("[data-panel-title]")).focus();
      return;
    }
    sessionStorage.removeItem(from);
    const known = new Set(parts().map((part) => part.id));
    renew(page);
    close();
    const made = parts().find((part) => !known.has(part.id));
    made?.scrollIntoView({ block: "nearest" });
    made?.querySelector("[data-panel]")?.focus();
    say(said.dataset.kept);
  } catch {
    sent.submit(); // whatever it is, the page that answers says it
  }
}

// ---- moving ----

async function move(url, values, focus) {
  if (!(await keep())) return;
  const data = new FormData(document.getElementById("model-lists"));
  for (const [name, value] of Object.entries(values)) data.set(name, value);
  try {
    renew((await send(url, data)).page);
    const back = document.getElementById(focus);
    (back?.disabled ? back.closest(".model-row").querySelector(".model-row__open") : back)?.focus();
    say(said.dataset.moved);
  } catch {
    location.reload();
  }
}

document.addEventListener("keydown", (event) => {
  const link = event.target.closest?.(".model-row__open");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const up = event.key === "ArrowUp";
  if (!up && event.key !== "ArrowDown") return;
  event.preventDefault();
  const row = link.closest(".model-row");
  const next = up ? row.previousElementSibling : row.nextElementSibling;
  if (!event.altKey) return next?.querySelector(".model-row__open").focus();
  if (!next) return;
  // A stage keeps its address wherever it stands; a rule is called by its place.
  const at = Number(row.dataset.place) + (up ? -1 : 1);
  move(row.dataset.move, { to: up ? "up" : "down" }, link.id.replace(/rule-\d+$/, `rule-${at}`));
});

let dragged = null;

document.addEventListener("dragstart", (event) => {
  dragged = event.target.closest?.(".model-row");
  if (!dragged) return;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", dragged.querySelector(".model-row__open").textContent);
  dragged.classList.add("is-dragged");
});

// The row that the pointer is over, in the list of the one that is dragged, and on which half of it.
function target(event) {
  const row = dragged && event.target.closest?.(".model-row");
  if (!row || row === dragged || row.parentElement !== dragged.parentElement) return null;
  const box = row.getBoundingClientRect();
  return { row, below: event.clientY > box.top + box.height / 2 };
}

function point(at) {
  for (const row of document.querySelectorAll(".model-row")) {
    row.classList.toggle("is-above", at?.row === row && !at.below);
    row.classList.toggle("is-below", at?.row === row && at.below);
  }
}

document.addEventListener("dragover", (event) => {
  const at = target(event);
  point(at);
  if (at) event.preventDefault();
});

document.addEventListener("drop", (event) => {
  const at = target(event);
  if (!at) return;
  event.preventDefault();
  const [from, over] = [Number(dragged.dataset.place), Number(at.row.dataset.place)];
  const to = over + (at.below ? 1 : 0) - (from < over ? 1 : 0);
  if (to !== from) move(dragged.dataset.move, { to }, dragged.querySelector(".model-row__open").id);
});

document.addEventListener("dragend", () => {
  dragged?.classList.remove("is-dragged");
  dragged = null;
  point(null);
});

recall();
mark();
