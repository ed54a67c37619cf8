// All pages: when the session has ended, ask for the password in a dialog over the page, then go on
// where it stopped. Requests of htmx and of modules are repeated; a form is submitted afterwards.

import { gettext } from "./translation.js";

const REST = 60_000; // ms after which a form asks whether the session still runs

/** @typedef {{ ajax: (verb: string, path: string, options: object) => void }} Htmx */
/** @typedef {{ elt: Element, target: Element, requestConfig: { verb: string, path: string, parameters: object } }} HtmxRequest */

const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("log-in"));
const form = /** @type {HTMLFormElement} */ (dialog.querySelector("form"));
const message = /** @type {HTMLElement} */ (dialog.querySelector("[data-show=message]"));
const password = /** @type {HTMLInputElement} */ (form.elements.namedItem("password"));
const url = form.action;
const user = dialog.dataset.user ?? "";
/** @type {(() => void)[]} */
let waiting = []; // what goes on after the log-in
let checkedAt = Date.now(); // when the session was known to run

/**
 * The session of this browser: who is logged in ("" for nobody), and the CSRF token to send.
 * @param {RequestInit} options
 */
const ask = async (options = {}) => {
  const headers = { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" };
  const response = await fetch(url, { ...options, headers, credentials: "same-origin" });
  const content = await response.json().catch(() => ({}));
  return { status: response.status, user: "", token: "", error: "", ...content };
};

/** @param {{ user: string, token: string }} session */
const resume = (session) => {
  if (session.user !== user) {
    location.reload(); // somebody else: nothing is sent in that name
    return;
  }
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) {
    /** @type {HTMLInputElement} */ (field).value = session.token;
  }
  checkedAt = Date.now();
  dialog.close();
  const actions = waiting;
  waiting = [];
  for (const action of actions) action();
};

/** @param {() => void} action */
const resumeAfterLogIn = (action) => {
  waiting.push(action);
  if (dialog.open) return;
  message.textContent = "";
  dialog.showModal();
  password.focus();
};

const logIn = async () => {
  const session = await ask(); // perhaps logged in already, in another tab
  if (session.user) return resume(session);
  const body = new FormData(form);
  body.set("csrfmiddlewaretoken", session.token);
  const answer = await ask({ method: "POST", body });
  password.value = "";
  if (answer.user) return resume(answer);
  const locked = gettext(
    "Too many wrong passwords. Try again in 15 minutes or ask an administrator.",
  );
  message.textContent = answer.status === 429 ? locked : answer.error || gettext("Log in failed.");
  password.focus();
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await logIn().catch(() => {
    message.textContent = gettext("The server does not answer. Try again.");
  });
});
dialog.addEventListener("cancel", (event) => event.preventDefault()); // what waits must not be lost

document.addEventListener("session:ended", (event) => {
  resumeAfterLogIn(/** @type {CustomEvent<() => void>} */ (event).detail);
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (dialog.open) event.preventDefault(); // the page's updates wait, too
});
document.addEventListener("htmx:afterOnLoad", () => {
  if (!dialog.open) checkedAt = Date.now();
});
document.addEventListener("htmx:responseError", (event) => {
  const { detail } = /** @type {CustomEvent<HtmxRequest & { xhr: XMLHttpRequest }>} */ (event);
  if (detail.xhr.status !== 401) return;
  const { verb, path, parameters } = detail.requestConfig;
  const options = { source: detail.elt, target: detail.target, values: parameters };
  const { htmx } = /** @type {{ htmx: Htmx }} */ (/** @type {unknown} */ (window));
  resumeAfterLogIn(() => htmx.ajax(verb, path, options));
});

/** @type {HTMLFormElement | null} */
let checked = null; // being submitted again, after its session was looked at
document.addEventListener("submit", async (event) => {
  const sent = /** @type {HTMLFormElement} */ (event.target);
  const isOld = Date.now() - checkedAt > REST;
  const isOurs = sent.method === "post" && sent !== form && !("anySession" in sent.dataset);
  if (event.defaultPrevented || sent === checked || !isOld || !isOurs) return;
  event.preventDefault();
  const submit = () => {
    checked = sent;
    sent.requestSubmit(/** @type {HTMLButtonElement | null} */ (event.submitter));
    checked = null;
  };
  const session = await ask().catch(() => null);
  if (session && !session.user) resumeAfterLogIn(submit);
  else submit(); // without an answer the browser itself says what is wrong
});
