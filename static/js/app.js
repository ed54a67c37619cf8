// All pages: theme, search key, local times, check-all boxes, fields shown for a choice. Pages work
// without it. A plain script and not a module: the theme is set before the page is painted.
(() => {
  const root = document.documentElement;
  const stored = localStorage.getItem("theme");
  if (stored) root.dataset.theme = stored;

  const switchTheme = () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const theme = (root.dataset.theme || system) === "dark" ? "light" : "dark";
    root.dataset.theme = theme;
    localStorage.setItem("theme", theme);
  };

  /**
   * Write times as "2026-11-22 11:24" in the time zone of the browser, instead of the server's.
   * @param {ParentNode} part
   */
  const showLocalTimes = (part) => {
    for (const time of part.querySelectorAll("time[data-local]")) {
      if (!(time instanceof HTMLTimeElement)) continue;
      const moment = new Date(time.dateTime);
      const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60000);
      time.textContent = shifted.toISOString().slice(0, 16).replace("T", " ");
      time.title = moment.toString();
    }
  };

  /** A field that is needed for one choice of another field only: data-shown-for="id=value". */
  const showFieldsOfChoice = () => {
    for (const field of document.querySelectorAll("[data-shown-for]")) {
      const [id, value] = (field.getAttribute("data-shown-for") ?? "").split("=");
      const choice = document.getElementById(id);
      field.toggleAttribute("hidden", /** @type {HTMLSelectElement} */ (choice).value !== value);
    }
  };

  // What was unfolded stays unfolded when htmx replaces it by fresh content.
  /** @type {string[]} */
  let unfolded = [];
  /** @param {Event} event */
  const rememberUnfolded = (event) => {
    const target = /** @type {Element} */ (event.target);
    unfolded = [...target.querySelectorAll("details[open][id]")].map((details) => details.id);
  };
  const restoreUnfolded = () => {
    for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
    unfolded = [];
  };

  /** @param {KeyboardEvent} event */
  const focusSearch = (event) => {
    const search = document.getElementById("search");
    const focus = /** @type {Element} */ (event.target);
    if (event.key !== "/" || !search || focus.closest("input, textarea, select")) return;
    event.preventDefault();
    search.focus();
  };

  /** @param {Event} event */
  const onChange = (event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    showFieldsOfChoice();
    const { all, submit } = field.dataset;
    if (all) {
      for (const box of field.form?.querySelectorAll(`input[name="${all}"]`) ?? []) {
        /** @type {HTMLInputElement} */ (box).checked = field.checked;
      }
    }
    if (submit !== undefined) field.form?.submit();
  };

  /** @param {MouseEvent} event */
  const closeMenus = (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(/** @type {Node} */ (event.target))) menu.removeAttribute("open");
    }
  };

  addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", switchTheme);
    showLocalTimes(document);
    const current = document.querySelector(".side [aria-current]");
    current?.scrollIntoView({ block: "nearest", inline: "nearest" });
    showFieldsOfChoice();
    document.addEventListener("htmx:beforeSwap", rememberUnfolded);
    document.addEventListener("htmx:afterSwap", restoreUnfolded);
    document.addEventListener("htmx:load", (event) => {
      showLocalTimes(/** @type {Element} */ (event.target));
    });
    document.addEventListener("keydown", focusSearch);
    document.addEventListener("change", onChange);
    document.addEventListener("click", closeMenus);
  });
})();
