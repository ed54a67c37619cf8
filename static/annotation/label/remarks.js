// Remarks on a task that was sent back: each leads to its keyframe and is answered by itself.

import { element } from "../../js/elements.js";

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
    ? `Sent back: ${open} of ${remarks.length} to answer`
    : "Sent back: all answered";
  const list = element("ol");
  for (const remark of remarks) {
    const item = element("li");
    const text = element("p", "", remark.text);
    text.dir = "auto";
    item.append(text);
    if (remark.second !== null) {
      const where = [remark.person && nameOf(remark.person), `second ${remark.second}`];
      const button = element("button", "btn sm", `Go to ${where.filter(Boolean).join(", ")}`);
      button.type = "button";
      button.addEventListener("click", () => go(remark));
      item.append(button);
    }
    if (answers[remark.id])
      item.append(element("p", "answered", `Answered: ${answers[remark.id]}`));
    if (isEditable) item.append(replyForm(remark, answers[remark.id] ?? "", reply));
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
  Object.assign(field, { type: "text", maxLength: 2000, placeholder: "Done, or why not" });
  field.setAttribute("aria-label", `Answer to: ${remark.text}`);
  field.value = answer;
  const button = element("button", "btn sm", answer ? "Change" : "Answer");
  form.append(field, button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim() || "Done";
    if (text !== answer) reply(remark, text);
  });
  return form;
};
