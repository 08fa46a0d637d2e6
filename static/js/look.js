// The few behaviours that markup alone cannot have: the sidebar, closing what floats, dialogs, copying, Ctrl-K, past days, notes, failed requests.

const within = (event, selector) => event.target.closest?.(selector);

// Where the areas do not fit, the present one is in sight.
const areas = document.querySelector(".nav");
const here = areas?.querySelector("[aria-current]");
if (here && here.offsetTop + here.offsetHeight > areas.clientHeight) {
  areas.scrollTop = here.offsetTop - areas.clientHeight / 2;
}

// A menu lies below the end of its button, or where that would leave the window, below its start.
document.addEventListener(
  "toggle",
  (event) => {
    if (!event.target.matches?.("details.menu[open]")) return;
    const panel = event.target.querySelector(".menu__panel");
    panel?.classList.remove("menu__panel--turned");
    panel?.classList.toggle("menu__panel--turned", panel.getBoundingClientRect().left < 0);
  },
  true,
);

// A floating menu closes when the user turns to something else.
addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }

  const opener = within(event, "[data-opens]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.opens);
    if (dialog) {
      event.preventDefault();
      dialog.showModal();
    }
  }

  const closer = within(event, "[data-closes]");
  if (closer) {
    event.preventDefault();
    closer.closest("dialog, .note")?.[closer.closest("dialog") ? "close" : "remove"]();
  }

  // On a phone the lines of a table of figures stand one below the other, until it is turned.
  const turner = within(event, "[data-turns]");
  if (turner) {
    const folds = turner.parentElement.querySelector(".table--turns").classList.toggle("table--folds");
    turner.setAttribute("aria-pressed", String(!folds));
  }

  // What stands in a field is copied; where the browser does not let us, it is at least selected.
  const copier = within(event, "[data-copies]");
  if (copier) {
    const field = document.getElementById(copier.dataset.copies);
    const word = copier.querySelector("[data-copied]");
    field.select();
    navigator.clipboard?.writeText(field.value).then(() => (word.textContent = word.dataset.copied), () => {});
  }

  // A click on the backdrop is a click on the dialog itself, outside its box.
  if (event.target instanceof HTMLDialogElement && event.target.open) {
    const box = event.target.getBoundingClientRect();
    const outside =
      event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
    if (outside) event.target.close();
  }
});

addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
    const drawer = document.getElementById("drawer");
    if (drawer?.checked) {
      drawer.checked = false;
      drawer.focus();
    }
  }
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
    const search = document.querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  }
});

// A form that was sent is not sent again by an impatient second click.
addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.target) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 5000); // the answer may be a download, and the page stays
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// A search field has told every letter already; that it lost the focus is no news to its list.
addEventListener(
  "change",
  (event) => {
    if (within(event, "form[hx-get] input[type=search]")) event.stopPropagation();
  },
  true,
);

// The slider of a past day writes its date field; a form of its own is sent when the hand, or the keyboard, rests.
const SLID = "past-slider";
let resting = 0;
addEventListener("input", (event) => {
  const slider = within(event, "[data-past] input[type=range]");
  if (!slider) return;
  const field = slider.closest("[data-past]").querySelector("input[type=date]");
  const day = new Date(`${slider.closest("[data-past]").dataset.first}T00:00:00Z`);
  day.setUTCDate(day.getUTCDate() + Number(slider.value));
  field.value = slider.value === slider.max ? "" : day.toISOString().slice(0, 10);
  slider.setAttribute("aria-valuetext", field.value || slider.dataset.now);
});
addEventListener(
  "change",
  (event) => {
    const past = within(event, "[data-past]");
    if (!past) return;
    const slid = event.target.type === "range";
    clearTimeout(resting);
    if (slid && event.isTrusted) event.stopPropagation();
    else if (!past.closest("[data-past-form]")) return;
    resting = setTimeout(() => {
      const own = past.closest("[data-past-form]");
      if (own && slid) sessionStorage.setItem(SLID, "yes");
      if (own) own.requestSubmit();
      else event.target.dispatchEvent(new Event("change", { bubbles: true }));
    }, slid ? 500 : 0);
  },
  true,
);
if (sessionStorage.getItem(SLID)) {
  sessionStorage.removeItem(SLID);
  document.querySelector("[data-past-form] input[type=range]")?.focus({ preventScroll: true });
}

// What can be undone for a while goes away after it; a pointer or the focus on it keeps it.
const fade = (note) => {
  setTimeout(() => {
    if (note.matches(":hover, :focus-within")) fade(note);
    else note.remove();
  }, Number(note.dataset.lasts) * 1000);
};
for (const note of document.querySelectorAll(".note[data-lasts]")) fade(note);
document.addEventListener("note:shown", (event) => fade(event.target));

// What a page shows has been made: it is loaded anew.
document.addEventListener("renew", () => location.reload());

// A request that failed is said, never swallowed.
const say = (id) => {
  const template = document.getElementById(id);
  const toasts = document.querySelector(".toasts");
  if (template && toasts && !toasts.querySelector(`[data-from="${id}"]`)) {
    const note = template.content.firstElementChild.cloneNode(true);
    note.dataset.from = id;
    toasts.append(note);
  }
};
document.addEventListener("htmx:sendError", () => say("note-unreachable"));
document.addEventListener("htmx:timeout", () => say("note-unreachable"));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (status === 401 || status === 403) say("note-signed-out");
  else say("note-failed");
});
document.addEventListener("htmx:afterOnLoad", () => {
  document.querySelector('[data-from="note-unreachable"]')?.remove();
});
