// Requests to our own server: a session that ended is renewed in place, and the request repeated.

import { RefusedError } from "./outbox.js";
import { csrfToken, logInAgain } from "./session.js";

const TIMEOUT = 30_000; // ms after which the entries of an outbox are sent again
const KEEPALIVE = 63 * 1024; // bytes that a browser sends although the page is closed

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
 * Ask once, as an outbox does: GET without a body, else POST it as JSON. Throws RefusedError.
 * @param {string} url
 * @param {Record<string, any>} [body]
 * @param {(url: string, options: RequestInit) => Promise<Response>} [ask] what a test replaces
 */
export const askJson = async (url, body, ask = fetch) => {
  const headers = new Headers({ "X-Requested-With": "XMLHttpRequest" }); // 401, no log-in page
  /** @type {RequestInit} */
  const options = { headers, credentials: "same-origin", signal: AbortSignal.timeout(TIMEOUT) };
  if (body) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    options.keepalive = options.body.length < KEEPALIVE;
    headers.set("Content-Type", "application/json");
    if (globalThis.document) headers.set("X-CSRFToken", csrfToken());
  }
  const response = await ask(url, options);
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new RefusedError(response.status, content);
  return content;
};
