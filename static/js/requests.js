// Requests to our own server: a session that ended is renewed in place, and the request repeated.

import { csrfToken, logInAgain } from "./session.js";

/**
 * `fetch`, sent again after a new log-in if the session has ended.
 * @param {string} url
 * @param {RequestInit} options
 */
export const request = async (url, options = {}) => {
  for (;;) {
    const headers = new Headers(options.headers);
    headers.set("X-Requested-With", "XMLHttpRequest"); // answered by 401, not by a log-in page
    if (options.method === "POST") headers.set("X-CSRFToken", csrfToken());
    if (options.body instanceof FormData) options.body.delete("csrfmiddlewaretoken");
    const response = await fetch(url, { ...options, headers, credentials: "same-origin" });
    if (response.status !== 401) return response;
    await logInAgain();
  }
};

/**
 * POST a form and resolve to the JSON that answers it.
 * @param {string} url
 * @param {FormData} form
 * @throws {Error} with the sentence of the server, if it refuses
 */
export const postForm = async (url, form) => {
  const headers = { Accept: "application/json" };
  const response = await request(url, { method: "POST", body: form, headers });
  const content = await response
    .json()
    .catch(() => ({ error: `The server answered with status ${response.status}.` }));
  if (!response.ok) throw new Error(content.error);
  return content;
};

/** A function that runs actions one after another, in the order of the calls. */
export const createSequence = () => {
  /** @type {Promise<unknown>} */
  let last = Promise.resolve();
  /**
   * @template Result
   * @param {() => Promise<Result>} action
   * @returns {Promise<Result>}
   */
  const run = (action) => {
    const result = last.then(action);
    last = result.catch(() => {}); // one that fails does not stop those after it
    return result;
  };
  return run;
};
