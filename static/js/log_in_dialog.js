// All pages: when the session has ended, ask for the password in a dialog over the page, then go on
// where it stopped. Requests of htmx and of modules are repeated; a form is submitted afterwards.
// A log-in in another tab renews the page without a question, unless somebody else logged in there.

import { fill, gettext } from "./translation.js";

const REST = 10_000; // ms within which the page is renewed once without a question

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
let renewedAt = 0; // without a question
let isAsking = false;

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

/** @param {string} token */
const renewForms = (token) => {
  for (const field of document.querySelectorAll("[name=csrfmiddlewaretoken]")) {
    /** @type {HTMLInputElement} */ (field).value = token;
  }
};

/** @param {string} token */
const resume = (token) => {
  renewForms(token);
  dialog.close();
  const actions = waiting;
  waiting = [];
  for (const action of actions) action();
};

/** @param {{ user: string } | null} session */
const open = (session) => {
  const other = gettext("Meanwhile %(name)s has logged in here.");
  message.textContent = session?.user ? fill(other, { name: session.user }) : "";
  dialog.showModal();
  password.focus();
};

/** @param {() => void} action */
const resumeAfterLogIn = async (action) => {
  waiting.push(action);
  if (dialog.open || isAsking) return;
  isAsking = true;
  const session = await ask().catch(() => null);
  isAsking = false;
  const isOwn = Boolean(user) && session?.user === user;
  if (session && isOwn && Date.now() - renewedAt > REST) {
    renewedAt = Date.now();
    resume(session.token);
  } else open(isOwn ? null : session);
};

const logIn = async () => {
  const session = await ask(); // perhaps logged in already, in another tab
  if (session.user && session.user === user) return resume(session.token);
  const body = new FormData(form);
  body.set("csrfmiddlewaretoken", session.token);
  const answer = await ask({ method: "POST", body });
  password.value = "";
  if (answer.user) return resume(answer.token);
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
/** @type {Set<HTMLFormElement>} */
const checking = new Set();
document.addEventListener("submit", async (event) => {
  const sent = /** @type {HTMLFormElement} */ (event.target);
  const isOurs = sent.method === "post" && sent !== form;
  if (event.defaultPrevented || sent === checked || !isOurs) return;
  event.preventDefault();
  if (checking.has(sent)) return; // a double click
  const submit = () => {
    checking.delete(sent);
    checked = sent;
    sent.requestSubmit(/** @type {HTMLButtonElement | null} */ (event.submitter));
    checked = null;
  };
  checking.add(sent);
  const session = await ask().catch(() => null);
  if (!sent.isConnected) {
    sent.hidden = true; // the page has refreshed that part meanwhile
    document.body.append(sent);
  }
  const isOwn = session?.user === user || "anySession" in sent.dataset;
  if (session && !isOwn) resumeAfterLogIn(submit);
  else {
    if (session) renewForms(session.token);
    submit(); // without an answer the browser itself says what is wrong
  }
});
