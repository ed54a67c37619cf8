// Elements of a page: creating one, and finding one by its data attribute.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {string} [text]
 */
export const element = (tag, className = "", text = "") => {
  const created = document.createElement(tag);
  if (className) created.className = className;
  if (text) created.textContent = text;
  return created;
};

/**
 * The element in `root` with the data attribute: `part(root, "act", "play")` has data-act="play".
 * @param {ParentNode} root
 * @param {string} attribute
 * @param {string} value
 * @returns {HTMLElement}
 */
export const part = (root, attribute, value) => {
  const found = root.querySelector(`[data-${attribute}="${value}"]`);
  if (!(found instanceof HTMLElement))
    throw new Error(`This page has no data-${attribute}="${value}".`);
  return found;
};
