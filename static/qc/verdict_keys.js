// Review of one task: A approves, R rejects, findings are shown in the player beside them.

/** @import { Player } from "../player/player.js" */
/** @import { KeyBinding } from "../player/key_table.js" */

/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement | null} */ (document.getElementById(id));

/**
 * Press the button of a verdict, once the reason that it needs is written.
 * @param {string} button
 * @param {string} reason id of its field; there is none if no reason is needed
 */
const give = (button, reason) => {
  const field = input(reason);
  if (field && !field.value.trim()) field.focus();
  else document.getElementById(button)?.click();
};

/**
 * The keys of the verdict; none where the page has none.
 * @returns {KeyBinding[]}
 */
export const verdictKeys = () => {
  const form = document.getElementById("verdict");
  if (!form) return [];
  // Enter in a reason gives the verdict that the reason is for.
  form.addEventListener("keydown", (event) => {
    const field = /** @type {HTMLElement} */ (event.target);
    if (event.key !== "Enter" || field.tagName !== "INPUT") return;
    event.preventDefault();
    if (field.id === "reason") give("reject", "reason");
    else give("approve", "despite");
  });
  return [
    { keys: ["a"], label: "A", description: "approve", action: () => give("approve", "despite") },
    { keys: ["r"], label: "R", description: "reject", action: () => give("reject", "reason") },
  ];
};

/**
 * Links to places in the clip move the player that is on this page.
 * @param {Player} player
 */
export const followPlaces = (player) => {
  for (const link of document.querySelectorAll("a.link-plain")) {
    const frame = new URL(/** @type {HTMLAnchorElement} */ (link).href).searchParams.get("frame");
    if (frame === null) continue;
    link.addEventListener("click", (event) => {
      event.preventDefault();
      player.pauseAt(Number(frame));
      player.screen.scrollIntoView({ block: "nearest" });
    });
  }
};
