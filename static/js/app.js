// Theme, search key, local times, tick-all boxes. Pages work without any of it.
(() => {
  const root = document.documentElement;
  const stored = localStorage.getItem("theme");
  if (stored) root.dataset.theme = stored;

  const switchTheme = () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const next = (root.dataset.theme || system) === "dark" ? "light" : "dark";
    root.dataset.theme = next;
    localStorage.setItem("theme", next);
  };

  // "2026-11-22 11:24" in the reader's own time zone, in place of the server's.
  const localTimes = (part) => {
    for (const time of part.querySelectorAll("time[data-local]")) {
      const moment = new Date(time.dateTime);
      const shifted = new Date(moment - moment.getTimezoneOffset() * 60000);
      time.textContent = shifted.toISOString().slice(0, 16).replace("T", " ");
      time.title = moment.toString();
    }
  };

  // A field that counts only for one choice of another: data-shown-for="id=value".
  const showFitting = () => {
    for (const part of document.querySelectorAll("[data-shown-for]")) {
      const [id, value] = part.dataset.shownFor.split("=");
      part.hidden = document.getElementById(id).value !== value;
    }
  };

  // What was unfolded stays unfolded when htmx puts fresh content in its place.
  let unfolded = [];
  const remember = (event) => {
    unfolded = [...event.target.querySelectorAll("details[open][id]")].map((one) => one.id);
  };
  const restore = () => {
    for (const id of unfolded) document.getElementById(id)?.setAttribute("open", "");
    unfolded = [];
  };

  addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", switchTheme);
    localTimes(document);
    document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    showFitting();
    document.addEventListener("htmx:beforeSwap", remember);
    document.addEventListener("htmx:afterSwap", restore);
    document.addEventListener("htmx:load", (event) => localTimes(event.target));
    document.addEventListener("keydown", (event) => {
      const typing = event.target.closest("input, textarea, select");
      const search = document.getElementById("search");
      if (event.key === "/" && search && !typing) {
        event.preventDefault();
        search.focus();
      }
    });
    document.addEventListener("change", (event) => {
      const { all, submit } = event.target.dataset;
      showFitting();
      if (all) {
        const boxes = event.target.form.querySelectorAll(`input[name="${all}"]`);
        for (const box of boxes) box.checked = event.target.checked;
      }
      if (submit !== undefined) event.target.form.submit();
    });
    document.addEventListener("click", (event) => {
      for (const menu of document.querySelectorAll("details.menu[open]")) {
        if (!menu.contains(event.target)) menu.open = false;
      }
    });
  });
})();
