// One open item as the server renders it, see templates/qc/adjudication/_item.html.

import { request } from "../js/requests.js";
import { PERSON } from "../player/answers.js";

/** @import { Box } from "../player/geometry.js" */

export const BOX = "~box"; // in place of an action group: which box is right

export class AdjudicationItem {
  /** @param {HTMLElement} element */
  constructor(element) {
    const { dataset } = element;
    this.element = element;
    this.key = dataset.key ?? "";
    this.clip = dataset.clip ?? "";
    this.second = Number(dataset.second);
    this.person = Number(dataset.person);
    this.group = dataset.group ?? "";
    this.loop = { start: Number(dataset.start), stop: Number(dataset.stop) }; // frames
    this.sameVotes = (dataset.sameVotes ?? "").split(",").filter(Boolean).map(Number); // seconds of keyframes with the same answers
    this.videoUrl = dataset.video ?? "";
    this.sceneUrl = dataset.scene ?? "";
    this.size = { width: Number(dataset.width), height: Number(dataset.height) };
    this.form = /** @type {HTMLFormElement} */ (element.querySelector("form"));
  }

  get isAboutBox() {
    return this.group === BOX;
  }

  /** The action group to decide on; null for an item about a box or a person. */
  get actionGroup() {
    return this.isAboutBox || this.group === PERSON ? null : this.group;
  }

  get title() {
    return this.element.querySelector(".ask")?.textContent ?? "";
  }

  get isSameVotesChecked() {
    const box = this.element.querySelector("[data-set=same-votes]");
    return box instanceof HTMLInputElement && box.checked;
  }

  /**
   * The answer of a digit key.
   * @param {string} digit
   * @returns {HTMLButtonElement | null}
   */
  option(digit) {
    return this.element.querySelector(`button[data-digit="${digit}"]`);
  }

  /** What the form sends, without an answer. */
  formData() {
    const form = new FormData(this.form);
    form.delete("answer");
    return form;
  }

  /** The names of the annotators, each with the letter that stands for it. */
  annotatorLetters() {
    const names = [...this.element.querySelectorAll(".by")];
    return new Map(
      names.map((name) => [name.textContent, name.previousElementSibling?.textContent ?? ""]),
    );
  }

  /** @param {boolean} isShown */
  showNames(isShown) {
    for (const name of this.element.querySelectorAll(".by"))
      name.toggleAttribute("hidden", !isShown);
  }
}

/** @param {Element} option a button of an item about a box */
export const boxOfOption = (option) =>
  /** @type {Box} */ (JSON.parse(/** @type {HTMLButtonElement} */ (option).value));

/** @param {Element} option */
export const textOfOption = (option) => option.querySelector(".what")?.textContent ?? "";

/**
 * Fetch the items that follow; none if there are no more.
 * @param {string} url
 * @param {Record<string, string>} query
 */
export const fetchItems = async (url, query) => {
  const response = await request(`${url}?${new URLSearchParams(query)}`);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const template = document.createElement("template");
  template.innerHTML = await response.text();
  const elements = /** @type {HTMLElement[]} */ ([...template.content.children]);
  return elements.map((element) => new AdjudicationItem(element));
};
