// Remarks on a task that was sent back: each leads to its keyframe and is answered by itself.

import { element } from "../../js/elements.js";
import { fill, gettext } from "../../js/translation.js";

/**
 * @typedef {object} Remark
 * @property {number | string} id
 * @property {string} text
 * @property {number | null} second
 * @property {string | null} person key
 * @property {string} author
 */

/**
 * @param {HTMLElement} root
 * @param {Remark[]} remarks
 * @param {object} about
 * @param {Record<string, string>} about.answers by the id of the remark
 * @param {boolean} about.isEditable
 * @param {(key: string) => string} about.nameOf
 * @param {(remark: Remark) => void} about.go
 * @param {(remark: Remark, text: string) => void} about.reply
 */
export const drawRemarks = (root, remarks, { answers, isEditable, nameOf, go, reply }) => {
  root.hidden = !remarks.length;
  if (!remarks.length) return;
  const open = remarks.filter((remark) => !answers[remark.id]).length;
  const title = open
    ? fill(gettext("Sent back: %(open)s of %(count)s to answer"), { open, count: remarks.length })
    : gettext("Sent back: all answered");
  const list = element("ol");
  for (const remark of remarks) {
    const item = element("li");
    const text = element("p", "", remark.text);
    text.dir = "auto";
    item.append(text);
    if (remark.second !== null) {
      const { second } = remark;
      const person = remark.person && nameOf(remark.person);
      const where = person
        ? fill(gettext("Go to %(person)s, second %(second)s"), { person, second })
        : fill(gettext("Go to second %(second)s"), { second });
      const button = element("button", "btn sm", where);
      button.type = "button";
      button.addEventListener("click", () => go(remark));
      item.append(button);
    }
    const answer = answers[remark.id];
    if (answer) {
      const said = fill(gettext("Answered: %(answer)s"), { answer });
      item.append(element("p", "answered", said));
    }
    if (isEditable) item.append(replyForm(remark, answer ?? "", reply));
    list.append(item);
  }
  root.replaceChildren(element("h2", "", title), list);
};

/**
 * @param {Remark} remark
 * @param {string} answer
 * @param {(remark: Remark, text: string) => void} reply
 */
const replyForm = (remark, answer, reply) => {
  const form = element("form");
  const field = element("input");
  Object.assign(field, { type: "text", maxLength: 2000, placeholder: gettext("Done, or why not") });
  field.setAttribute("aria-label", fill(gettext("Answer to: %(remark)s"), { remark: remark.text }));
  field.value = answer;
  const button = element("button", "btn sm", answer ? gettext("Change") : gettext("Answer"));
  form.append(field, button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim() || gettext("Done");
    if (text !== answer) reply(remark, text);
  });
  return form;
};
