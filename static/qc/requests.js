// Requests that change something on the server, sent one after another. No DOM.

/**
 * POST a form and resolve to the JSON that answers it.
 * @param {string} url
 * @param {FormData} form
 * @param {string} token CSRF token
 * @throws {Error} with the sentence of the server, if it refuses
 */
export const postForm = async (url, form, token) => {
  const headers = { Accept: "application/json", "X-CSRFToken": token };
  const options = { method: "POST", body: form, headers };
  const response = await fetch(url, { ...options, credentials: "same-origin" });
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
