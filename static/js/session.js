// Ended sessions, for modules that talk to the server. The dialog itself is in log_in_dialog.js,
// which every page loads.

/** The CSRF token of this page, renewed by each log-in. */
export const csrfToken = () => {
  const field = document.querySelector("[name=csrfmiddlewaretoken]");
  return field instanceof HTMLInputElement ? field.value : "";
};

/**
 * Ask for the password in a dialog over the page; resolve when the same user is logged in again.
 * @returns {Promise<void>}
 */
export const logInAgain = () =>
  new Promise((resolve) => {
    document.dispatchEvent(new CustomEvent("session:ended", { detail: resolve }));
  });
