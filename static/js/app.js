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

  /** A field that is needed for some choices of another: data-shown-for="id=value value". */
  const showFieldsOfChoice = () => {
    for (const field of document.querySelectorAll("[data-shown-for]")) {
      const [id, values] = (field.getAttribute("data-shown-for") ?? "").split("=");
      const choice = /** @type {HTMLSelectElement} */ (document.getElementById(id));
      field.toggleAttribute("hidden", !values.split(" ").includes(choice.value));
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

  /**
   * Content that refreshes itself waits while somebody writes or has chosen a file in it.
   * @param {Event} event
   */
  const spareWriting = (event) => {
    const { detail } = /** @type {CustomEvent<{ target: Element, shouldSwap: boolean }>} */ (event);
    const fields = detail.target.querySelectorAll("input, textarea, select");
    const isUsed = [...fields].some(
      (field) =>
        field === document.activeElement ||
        (field instanceof HTMLInputElement && field.files && field.files.length > 0),
    );
    if (isUsed) detail.shouldSwap = false;
  };

  const MESSAGE_MS = 8000; // messages of success leave by themselves
  const leaveMessages = () => {
    for (const message of document.querySelectorAll("[data-leaves]")) {
      setTimeout(function leave() {
        if (message.matches(":hover, :focus-within")) setTimeout(leave, MESSAGE_MS);
        else message.remove();
      }, MESSAGE_MS);
    }
  };

  /** @param {MouseEvent} event */
  const closeMessage = (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-act=close-message]");
    button?.closest("li")?.remove();
  };

  const focusFirstError = () => {
    const field = document.querySelector("[aria-invalid=true]");
    if (field instanceof HTMLElement) field.focus();
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
    leaveMessages();
    focusFirstError();
    document.addEventListener("htmx:beforeSwap", spareWriting);
    document.addEventListener("htmx:beforeSwap", rememberUnfolded);
    document.addEventListener("htmx:afterSwap", restoreUnfolded);
    document.addEventListener("htmx:load", (event) => {
      showLocalTimes(/** @type {Element} */ (event.target));
    });
    document.addEventListener("keydown", focusSearch);
    document.addEventListener("change", onChange);
    document.addEventListener("click", closeMenus);
    document.addEventListener("click", closeMessage);
  });
})();
