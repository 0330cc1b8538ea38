// Light or dark before the first paint: the choice is the one that unfold's pages keep.
"use strict";
(() => {
  const root = document.documentElement;
  const media = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try { return JSON.parse(localStorage.getItem("adminTheme") || '"auto"'); } catch { return "auto"; }
  };
  const apply = () => {
    const choice = chosen();
    const dark = choice === "dark" || (choice === "auto" && media.matches);
    root.dataset.theme = dark ? "dark" : "light";
  };
  root.classList.add("js");
  apply();
  media.addEventListener("change", apply);
  // Unfold's own switch changes the class of the root: follow it.
  new MutationObserver(() => { setTimeout(apply, 0); }).observe(root, { attributes: true, attributeFilter: ["class"] });
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    localStorage.setItem("adminTheme", JSON.stringify(root.dataset.theme === "dark" ? "light" : "dark"));
    apply();
  });
})();
