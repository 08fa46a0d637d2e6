// The editor of content: a value is put where the caret is, a fault leads to its place, the test goes to whom one sees.

const page = document.querySelector("[data-content]");
const writable = "input[name=subject], input[name=preheader], textarea[name=source], textarea[name=text_source]";
let last = page?.querySelector("textarea[name=source]");

page?.addEventListener("focusin", (event) => {
  if (event.target.matches(writable)) last = event.target;
});

const told = (field) => field.dispatchEvent(new Event("input", { bubbles: true }));

addEventListener("click", (event) => {
  const offer = event.target.closest?.("[data-insert]");
  if (offer && last) {
    last.focus();
    // execCommand keeps the browser's own undo, which setRangeText does not.
    if (!document.execCommand("insertText", false, offer.dataset.insert)) {
      last.setRangeText(offer.dataset.insert, last.selectionStart, last.selectionEnd, "end");
      told(last);
    }
  }

  const place = event.target.closest?.("[data-goto-line]");
  if (place) goTo(Number(place.dataset.gotoLine), Number(place.dataset.gotoColumn));
});

function goTo(line, column) {
  const area = page.querySelector("textarea[name=source]");
  const lines = area.value.split("\n");
  const at = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) + Math.max(column - 1, 0);
  area.focus();
  area.setSelectionRange(at, Math.min(at + 1, area.value.length));
  const height = area.scrollHeight / Math.max(lines.length, 1);
  area.scrollTop = Math.max(0, (line - 4) * height);
}

// Enter chooses whom one sees it as; it keeps nothing.
document.getElementById("preview-person")?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  event.target.dispatchEvent(new Event("change", { bubbles: true }));
});

// The test is written as for the person that the preview shows.
addEventListener("htmx:afterSettle", () => {
  const shown = document.querySelector("#preview [data-person]")?.dataset.person ?? "";
  for (const field of document.querySelectorAll("[data-person-id]")) field.value = shown;
});

// What was typed is not lost by leaving the page in haste.
if (page) {
  let changed = false;
  page.addEventListener("input", (event) => {
    if (event.target.matches(`${writable}, [name=name], [name=style], [name=stage], [name=format], [name=missing]`)) changed = true;
  });
  addEventListener("submit", (event) => {
    if (event.target === page) changed = false;
  });
  addEventListener("beforeunload", (event) => {
    if (changed) event.preventDefault();
  });
}
