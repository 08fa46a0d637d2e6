// The figures of a running flow follow what happens, as long as somebody looks and nobody is in the middle of a figure.

const EVERY = 4000;
const KEPT = ["#flow .flow-scroll > *", "#campaign-facts"];

async function keepUp() {
  const flow = document.querySelector("[data-keep-up]");
  if (!flow) return;
  const busy = document.querySelector(KEPT[0])?.contains(document.activeElement) || !getSelection().isCollapsed;
  if (!document.hidden && !busy) {
    const answer = await fetch(location.pathname, { headers: { Accept: "text/html" } }).catch(() => null);
    if (answer?.ok && !answer.redirected) renew(await answer.text());
  }
  setTimeout(keepUp, EVERY);
}

function renew(text) {
  const told = new DOMParser().parseFromString(text, "text/html");
  if (!told.querySelector("#flow")) return;
  for (const place of KEPT) {
    const [old, fresh] = [document.querySelector(place), told.querySelector(place)];
    if (old && fresh && old.innerHTML !== fresh.innerHTML) old.replaceWith(fresh);
  }
  // Paused, stopped or edited elsewhere: what is shown is the last of it.
  if (!told.querySelector("[data-keep-up]")) document.querySelector("[data-keep-up]")?.removeAttribute("data-keep-up");
}

setTimeout(keepUp, EVERY / 2);
