// Moving cards of a board: by mouse, by keyboard, many at once. The page shows the move at once; the server has the word.

const root = () => document.querySelector(".board");
const cards = (column) => [...column.querySelectorAll("[data-card]")];
const columnOf = (card) => card.closest("[data-stage].board__column");
const columns = () => [...root().querySelectorAll(".board__column")];
const columnWith = (stage) => columns().find((column) => column.dataset.stage === String(stage));
const ticked = () => [...root().querySelectorAll("[data-card] input[name=member]:checked")];
const dialog = document.getElementById("board-dialog");
const form = document.getElementById("board-move");
const said = document.getElementById("board-said");
const words = (template, values) => template.replace(/\{(\w+)\}/g, (_all, name) => values[name] ?? "");
const say = (text) => (said.textContent = text);

let dragged = null; // the card in the mouse's hand
let towards = null; // the column that the keyboard points at
let pending = null; // what the dialog asks about: {card, from, focus} or {many}

// ---- answers ----

function toast(answer) {
  const note = document.getElementById("board-toast").content.firstElementChild.cloneNode(true);
  note.classList.add(`note--${answer.tone}`);
  for (const icon of note.querySelectorAll("[data-tone]")) {
    if (icon.dataset.tone === answer.tone) icon.replaceWith(...icon.childNodes);
    else icon.remove();
  }
  note.querySelector(".note__text").textContent = answer.words;
  const undo = note.querySelector("form");
  if (answer.undo) undo.action = answer.undo;
  else undo.remove();
  const toasts = document.querySelector(".toasts");
  for (const old of toasts.querySelectorAll(".note")) old.remove();
  toasts.append(note);
  note.dispatchEvent(new CustomEvent("note:shown", { bubbles: true }));
}

async function post(action, body) {
  try {
    const response = await fetch(action, { method: "POST", body, headers: { Accept: "application/json" } });
    if (response.headers.get("Content-Type")?.startsWith("application/json")) return await response.json();
    document.dispatchEvent(new CustomEvent("htmx:responseError", { detail: { xhr: { status: response.redirected ? 401 : response.status } } }));
  } catch {
    document.dispatchEvent(new CustomEvent("htmx:sendError"));
  }
  return null;
}

// Puts the card to where the server says that it is now, and asks for the figures over the columns.
function settle(pk, answer, focus) {
  document.getElementById(`card-${pk}`)?.remove();
  const column = answer.stage && columnWith(answer.stage);
  const list = column?.querySelector(".board__cards");
  if (list) {
    list.insertAdjacentHTML("afterbegin", answer.card);
    window.htmx.process(list.firstElementChild);
    list.scrollTop = 0;
    if (focus) list.firstElementChild.focus();
  }
  toast(answer);
  count();
  refresh();
}

function refresh() {
  const from = document.getElementById("list").dataset.figures;
  window.htmx.ajax("GET", from, { target: "#board-figures", swap: "none" });
}

// ---- one card ----

function place(card) {
  return { parent: card.parentElement, before: card.nextElementSibling };
}

function put(card, { parent, before }) {
  if (before?.parentElement === parent) parent.insertBefore(card, before);
  else parent.append(card);
}

function ask(card, column, focus) {
  const from = place(card);
  pending = { card, from, focus };
  const list = column?.querySelector(".board__cards");
  card.classList.add("is-pending");
  if (list) list.prepend(card);
  open(words(form.dataset.one, { name: card.dataset.name }), column?.dataset.stage ?? "", card.dataset.stage);
}

function open(title, stage, own) {
  form.reset();
  dialog.querySelector("h2").textContent = title;
  for (const option of form.to.options) option.hidden = option.disabled = Boolean(own) && option.value === own;
  form.to.value = stage;
  guarded("");
  quick();
  dialog.showModal();
  (stage ? form.reason : form.to).focus();
}

// Reasons that belong to another stage than the chosen one are no help.
function quick() {
  for (const reason of dialog.querySelectorAll("[data-reason]")) {
    reason.hidden = Boolean(reason.dataset.to) && reason.dataset.to !== form.to.value;
  }
}

// Says which guard keeps the way that was asked for, and has the button move all the same; the empty text takes it back.
function guarded(guard) {
  const note = form.querySelector("[data-guard]");
  const told = note.querySelector("[data-guard-words]");
  const button = form.querySelector("[data-sends]");
  told.textContent = words(told.dataset.words, { guard });
  note.hidden = !guard;
  form.override.value = guard ? "1" : "";
  button.querySelector("span").textContent = guard ? button.dataset.sendsOver : button.dataset.sends;
}

// Asks once more about a move that a guard has refused, with all that was said.
function askAgain({ card, focus }, answer, body) {
  ask(card, columnWith(body.get("to")), focus);
  form.to.value = body.get("to");
  form.reason.value = body.get("reason");
  guarded(answer.guard);
  quick();
  form.reason.focus();
}

form.to.addEventListener("change", () => {
  guarded(""); // another way may have another guard, or none
  quick();
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  delete form.dataset.sent;
  const asked = pending;
  if (!asked) return;
  pending = null;
  if (asked.many) {
    const bulk = document.getElementById("board-bulk");
    bulk.to.value = form.to.value;
    bulk.reason.value = form.reason.value;
    dialog.close();
    bulk.requestSubmit();
    return;
  }
  const { card, from, focus } = asked;
  const body = new FormData(form);
  body.set("seq", card.dataset.seq);
  const target = columnWith(form.to.value)?.querySelector(".board__cards");
  if (target && card.parentElement !== target) target.prepend(card);
  if (!target) card.hidden = true;
  dialog.close();
  const answer = await post(card.dataset.move, body);
  if (answer?.guard) {
    card.hidden = false;
    put(card, from);
    askAgain(asked, answer, body);
  } else if (answer) {
    settle(card.dataset.card, answer, focus);
  } else {
    card.hidden = false;
    card.classList.remove("is-pending");
    put(card, from);
  }
});

dialog.addEventListener("close", () => {
  if (!pending) return;
  const { card, from, focus } = pending;
  pending = null;
  if (!card) return;
  card.classList.remove("is-pending");
  put(card, from);
  if (focus) card.focus();
});

document.addEventListener("click", (event) => {
  const reason = event.target.closest("[data-reason]");
  if (reason) {
    const input = reason.closest("form").elements.reason;
    input.value = reason.dataset.reason;
    input.focus();
  }
  const opener = event.target.closest("[data-opens-move]");
  if (opener && root()?.contains(opener) && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    ask(opener.closest("[data-card]"), null, true);
  }
});

document.addEventListener("submit", async (event) => {
  if (!event.target.matches("form[data-undo]")) return;
  event.preventDefault();
  const answer = await post(event.target.action, new FormData(event.target));
  if (answer) {
    const pk = /data-card="(\d+)"/.exec(answer.card)?.[1];
    settle(pk, answer, false);
  }
});

// ---- by mouse ----

document.addEventListener("dragstart", (event) => {
  const card = event.target.closest?.("[data-card]");
  if (!card || !root()?.contains(card)) return;
  dragged = card;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", card.dataset.name);
  card.classList.add("is-dragged");
  root().classList.add("is-dragging");
});

document.addEventListener("dragover", (event) => {
  const column = dragged && event.target.closest?.(".board__column");
  point(column && column !== columnOf(dragged) ? column : null);
  if (column) event.preventDefault();
});

document.addEventListener("drop", (event) => {
  const column = dragged && event.target.closest?.(".board__column");
  if (!column) return;
  event.preventDefault();
  const card = dragged;
  letGo();
  if (column === columnOf(card)) return;
  const chosen = ticked();
  if (chosen.length > 1 && card.querySelector("input[name=member]").checked) {
    pending = { many: true };
    open(words(form.dataset.many, { n: chosen.length }), column.dataset.stage, "");
  } else {
    ask(card, column, false);
  }
});

document.addEventListener("dragend", letGo);

function point(column) {
  for (const each of columns()) each.classList.toggle("is-target", each === column);
}

function letGo() {
  dragged?.classList.remove("is-dragged");
  dragged = towards = null;
  root()?.classList.remove("is-dragging");
  if (root()) point(null);
}

// ---- by keyboard ----

document.addEventListener("keydown", (event) => {
  const card = event.target;
  if (!(card instanceof HTMLElement) || !card.matches("[data-card]") || event.ctrlKey || event.metaKey || event.altKey) return;
  const handler = keys[event.key];
  if (handler) {
    event.preventDefault();
    handler(card, event);
  }
});

const keys = {
  ArrowDown: (card) => (card.nextElementSibling?.matches("[data-card]") ? card.nextElementSibling : card).focus(),
  ArrowUp: (card) => (card.previousElementSibling ?? card).focus(),
  ArrowRight: (card) => aim(card, 1),
  ArrowLeft: (card) => aim(card, -1),
  Enter: (card) => {
    const column = towards;
    letGo();
    ask(card, column, true);
  },
  Escape: (card) => {
    if (towards) say(words(said.dataset.letGo, { name: card.dataset.name, stage: columnOf(card).dataset.name }));
    letGo();
  },
  " ": (card, event) => tick(card.querySelector("input[name=member]"), event.shiftKey, true),
};

function aim(card, step) {
  const all = columns();
  const own = columnOf(card);
  const next = all[all.indexOf(towards ?? own) + step];
  if (!next) return;
  towards = next === own ? null : next;
  point(towards);
  next.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (towards) say(words(said.dataset.towards, { name: card.dataset.name, stage: next.dataset.name }));
  else say(words(said.dataset.letGo, { name: card.dataset.name, stage: own.dataset.name }));
}

document.addEventListener("focusout", (event) => {
  if (event.target.matches?.("[data-card]") && towards) letGo();
});

// ---- many ----

let last = null; // the box that was ticked before, where a range begins

function tick(box, range, turn) {
  if (turn) box.checked = !box.checked;
  const column = columnOf(box);
  if (range && last && column.contains(last)) {
    const boxes = cards(column).map((card) => card.querySelector("input[name=member]"));
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
  }
  last = box;
  whole("");
  count();
}

function whole(slug) {
  const bulk = document.getElementById("board-bulk");
  if (bulk) bulk.elements.all.value = slug;
}

// Brings the bar below the board up to what is ticked.
function count() {
  const bulk = document.getElementById("board-bulk");
  if (!bulk) return;
  const chosen = ticked();
  const inColumns = [...new Set(chosen.map(columnOf))];
  const everybody = bulk.querySelector("[data-everybody]");
  const slug = bulk.elements.all.value;
  let number = chosen.length;
  everybody.hidden = true;
  for (const column of columns()) {
    const boxes = cards(column).map((card) => card.querySelector("input[name=member]"));
    const all = column.querySelector("[data-all]");
    if (!all) continue;
    const on = boxes.filter((box) => box.checked).length;
    all.checked = boxes.length > 0 && on === boxes.length;
    all.indeterminate = on > 0 && on < boxes.length;
    for (const card of cards(column)) card.classList.toggle("is-ticked", card.querySelector("input[name=member]").checked);
    const total = Number(column.querySelector(".board__figures").dataset.count);
    if (slug === column.dataset.slug) {
      number = total;
    } else if (all.checked && inColumns.length === 1 && total > boxes.length) {
      everybody.hidden = false;
      everybody.dataset.slug = column.dataset.slug;
      everybody.textContent = words(everybody.dataset.words, { n: total.toLocaleString(), stage: column.dataset.name });
    }
  }
  bulk.querySelector("[data-count]").textContent = words(said.dataset.chosen, { n: number.toLocaleString() });
  bulk.hidden = number === 0;
}

document.addEventListener("click", (event) => {
  const box = event.target.closest?.(".board input[name=member]");
  if (box) tick(box, event.shiftKey, false);
  const all = event.target.closest?.(".board [data-all]");
  if (all) {
    for (const card of cards(columnOf(all))) card.querySelector("input[name=member]").checked = all.checked;
    last = null;
    whole("");
    count();
  }
  const everybody = event.target.closest?.("[data-everybody]");
  if (everybody) {
    whole(everybody.dataset.slug);
    count();
  }
  if (event.target.closest?.("[data-clear]")) {
    for (const box of ticked()) box.checked = false;
    whole("");
    count();
  }
});

// ---- on a phone one column at a time ----

document.addEventListener("click", (event) => {
  const tab = event.target.closest?.("[data-tab]");
  if (!tab || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  for (const each of document.querySelectorAll("[data-tab]")) each.toggleAttribute("aria-current", each === tab);
  tab.setAttribute("aria-current", "true");
  for (const column of columns()) column.classList.toggle("is-current", column.dataset.slug === tab.dataset.tab);
  history.replaceState(history.state, "", tab.href);
});

const showTab = () => document.querySelector("[data-tab][aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

document.addEventListener("htmx:afterSwap", () => root() && count());
addEventListener("pageshow", () => root() && (count(), showTab()));

// Rules and colleagues go on moving people while this page lies in the background.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && root()) refresh();
});
count();
