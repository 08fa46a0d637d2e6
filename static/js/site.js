// Tells the pages that a visitor saw, once they agreed; tells forms which browser it is.
(() => {
  const base = new URL(document.currentScript.src).origin;
  const name = "perennial_id";
  const query = new URLSearchParams(location.search);
  const refused = navigator.globalPrivacyControl || navigator.doNotTrack === "1";
  let agreed = false;
  let shown = "";
  let carried = query.get("perennial") || "";

  // Taken out of the address, so that nobody passes it on.
  if (carried) {
    query.delete("perennial");
    history.replaceState(history.state, "", location.pathname + (query.size ? `?${query}` : "") + location.hash);
  }
  const uuid = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  };
  const keep = (value, seconds) => {
    const safe = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `${name}=${value}; path=/; max-age=${seconds}; samesite=lax${safe}`;
  };
  const visitor = () => {
    const kept = document.cookie.match(/(?:^|; )perennial_id=([0-9a-f-]{36})/);
    const id = kept ? kept[1] : uuid();
    keep(id, 180 * 86400);
    return id;
  };
  const tell = () => {
    const url = location.href.split("#")[0];
    if (!agreed || url === shown) return;
    const view = { key: uuid(), url, title: document.title.slice(0, 200), referrer: shown || document.referrer, ago: 0 };
    shown = url;
    const body = { visitor: visitor(), views: [view] };
    if (carried) body.known = carried;
    carried = "";
    const seen = Date.now();
    const send = (left) => {
      view.ago = Date.now() - seen;
      fetch(`${base}/t/v`, { method: "POST", body: JSON.stringify(body), credentials: "omit", keepalive: true })
        .catch(() => left && setTimeout(() => send(left - 1), 5000));
    };
    send(2);
  };
  for (const way of ["pushState", "replaceState"]) {
    const was = history[way];
    history[way] = function (...given) {
      was.apply(this, given);
      setTimeout(tell);
    };
  }
  addEventListener("popstate", () => setTimeout(tell));

  addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-perennial]")) return;
    const told = { page: location.host + location.pathname, referrer: document.referrer };
    for (const [key, value] of query) if (key.startsWith("utm_")) told[key] = value;
    if (agreed) told.visitor = visitor();
    for (const [key, value] of Object.entries(told)) {
      const field = form.elements[key] || form.appendChild(document.createElement("input"));
      Object.assign(field, { type: "hidden", name: key, value });
    }
  });

  window.perennial = {
    consent(yes) {
      agreed = Boolean(yes) && !refused;
      if (agreed) tell();
      else keep("", 0);
    },
  };
  if (window.perennialConsent) window.perennial.consent(true);
})();
