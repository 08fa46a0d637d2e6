// Chooses light or dark before the first paint, so that nothing flashes. Loaded in the head, not deferred.
(() => {
  const root = document.documentElement;
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage may be forbidden; the system's choice still holds
    }
  };
  const apply = () => {
    const theme = chosen();
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    root.toggleAttribute("data-dark", theme ? theme === "dark" : prefersDark.matches);
  };

  root.classList.add("js");
  apply();
  prefersDark.addEventListener("change", apply);
  addEventListener("storage", apply); // another tab has switched

  addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-switch]")) return;
    const wanted = root.hasAttribute("data-dark") ? "light" : "dark";
    const system = prefersDark.matches ? "dark" : "light";
    try {
      // The system's own choice is not remembered: the page goes on following the system.
      if (wanted === system) localStorage.removeItem("theme");
      else localStorage.setItem("theme", wanted);
    } catch {
      root.dataset.theme = wanted;
      root.toggleAttribute("data-dark", wanted === "dark");
      return;
    }
    apply();
  });
})();
