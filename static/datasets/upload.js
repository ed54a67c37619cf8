// Upload page: sends a zip, or videos, a folder or a bundle's files as one zip, in pieces, as soon as
// they are chosen or dropped; continues after an interruption. Without JavaScript the form is sent as
// it is.

import { part } from "../js/elements.js";
import { csrfToken, logInAgain } from "../js/session.js";
import { fill, gettext, ngettext } from "../js/translation.js";
import { progressText } from "./sizes_and_durations.js";
import { TemporaryError, UploadClient, UploadRefusedError } from "./tus.js";
import { zipFiles } from "./zip_files.js";

const WAITS = [1, 2, 5, 10, 30]; // seconds before the next try; the last one for all that follow

const form = /** @type {HTMLFormElement} */ (document.getElementById("upload"));
/** @param {string} selector */
const find = (selector) => /** @type {HTMLElement} */ (form.querySelector(selector));
const input = /** @type {HTMLInputElement} */ (find("input[type=file]"));
const folderInput = /** @type {HTMLInputElement} */ (part(form, "part", "folder"));
const drop = find(".drop");
const panel = find(".uploading");
const bar = /** @type {HTMLProgressElement} */ (find("progress"));
const button = /** @type {HTMLButtonElement} */ (find("button.pri"));
const folderButton = /** @type {HTMLButtonElement} */ (part(form, "act", "folder"));
const pauseButton = part(form, "part", "pause");
const fileName = part(form, "part", "name");
const state = part(form, "part", "state");
const client = new UploadClient({ csrfToken, logInAgain });

let isPaused = false;
let resume = () => {};

/** @param {string} text */
const showState = (text, className = "mut") => {
  state.textContent = text;
  state.className = className;
};

/**
 * Wait for `seconds`, or until `resume` is called.
 * @param {number} seconds
 * @returns {Promise<void>}
 */
const pause = (seconds) =>
  new Promise((resolve) => {
    resume = resolve;
    if (seconds !== Infinity) setTimeout(resolve, seconds * 1000);
  });

/**
 * A function that shows how many bytes the server has; the speed is measured from its first call.
 * @param {number} total bytes
 */
const createProgress = (total) => {
  /** @type {{ since: number, startedAt: number } | null} */
  let start = null;
  /** @param {number} sent bytes */
  const show = (sent) => {
    start ??= { since: sent, startedAt: performance.now() };
    const seconds = (performance.now() - start.startedAt) / 1000;
    bar.value = sent / total;
    showState(progressText({ sent, total, since: start.since, seconds }));
  };
  return show;
};

/**
 * Send a file to its end: after an interruption the server is asked again what it has.
 * @param {File} file
 */
const send = async (file) => {
  let transfer = null;
  let failures = 0;
  while (true) {
    if (isPaused) {
      showState(gettext("Paused. You can close this page and choose the same file again later."));
      await pause(Infinity);
      continue;
    }
    try {
      transfer ??= await client.begin(file, form.dataset.transfers ?? "");
      const progress = createProgress(file.size);
      if (transfer.partSize) {
        await client.sendParts(file, transfer, (bytes) => {
          failures = 0;
          progress(bytes);
        });
        return;
      }
      let offset = await client.offset(transfer);
      progress(offset);
      while (offset < file.size && !isPaused) {
        offset = await client.sendPiece(file, transfer, offset, progress);
        failures = 0;
      }
      if (offset >= file.size) return;
    } catch (error) {
      if (error instanceof UploadRefusedError) throw error;
      if (isPaused) continue;
      const wait = WAITS[Math.min(failures++, WAITS.length - 1)];
      const reason =
        (error instanceof TemporaryError && error.message) || gettext("The connection broke.");
      showState(
        `${reason} ${fill(gettext("Trying again in %(wait)s s; the upload will continue."), { wait })}`,
        "t-warn",
      );
      await pause(wait);
    }
  }
};

/**
 * The zip itself, or anything else as one zip, which is the same each time it is made.
 * @param {File[]} files
 */
const asOneFile = async (files) => {
  const [first] = files;
  const isSingle = files.length === 1;
  if (isSingle && first.name.toLowerCase().endsWith(".zip")) return first;
  const folder = first.webkitRelativePath.split("/")[0];
  const count = files.length;
  const name = fill(ngettext("%(count)s file", "%(count)s files", count), { count });
  fileName.textContent = isSingle ? first.name : name;
  return zipFiles(files, `${folder || (isSingle ? first.name : "files")}.zip`, (share) => {
    bar.value = share;
    showState(fill(gettext("Packing, %(percent)s %"), { percent: Math.floor(100 * share) }));
  });
};

/** @param {BeforeUnloadEvent} event */
const confirmLeaving = (event) => event.preventDefault();

/**
 * While files are sent no others can be chosen; after a refusal they can be sent again.
 * @param {boolean} isSending
 */
const showSending = (isSending) => {
  for (const one of [button, input, folderButton]) one.disabled = isSending;
  if (!isSending) pauseButton.hidden = true;
};

form.addEventListener("submit", async (event) => {
  const files = [...(folderInput.files?.length ? folderInput.files : (input.files ?? []))];
  if (!files.length) return;
  event.preventDefault();
  showSending(true);
  button.hidden = true;
  panel.hidden = false;
  showState(gettext("Starting…"));
  addEventListener("beforeunload", confirmLeaving);
  try {
    const file = await asOneFile(files);
    pauseButton.hidden = false;
    fileName.textContent = file.name;
    await send(file);
    showState(gettext("Uploaded."));
    removeEventListener("beforeunload", confirmLeaving);
    location.assign(form.dataset.next ?? "");
  } catch (error) {
    removeEventListener("beforeunload", confirmLeaving);
    showState(error instanceof Error ? error.message : String(error), "t-bad");
    showSending(false);
    button.hidden = false;
  }
});
pauseButton.addEventListener("click", () => {
  isPaused = !isPaused;
  pauseButton.textContent = isPaused ? gettext("Resume") : gettext("Pause");
  if (isPaused) client.abort();
  else resume();
});
addEventListener("online", () => resume());

for (const discard of document.querySelectorAll("[data-discard]")) {
  discard.addEventListener("click", async () => {
    const url = discard.getAttribute("data-discard") ?? "";
    const answer = await client.request("DELETE", url).catch(() => null);
    if (answer && answer.status < 500) location.reload();
    else {
      const about = /** @type {HTMLElement} */ (discard.parentElement?.querySelector("p"));
      about.textContent = gettext("Not discarded: the server does not answer. Try again.");
      about.setAttribute("role", "alert");
    }
  });
}
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragenter" || name === "dragover");
  });
}
drop.addEventListener("drop", (event) => {
  if (input.disabled || !event.dataTransfer?.files.length) return;
  folderInput.value = "";
  input.files = event.dataTransfer.files;
  form.requestSubmit();
});
folderButton.addEventListener("click", () => folderInput.click());
input.addEventListener("change", () => {
  folderInput.value = ""; // the last choice counts
  if (input.files?.length) form.requestSubmit();
});
folderInput.addEventListener("change", () => {
  input.required = !folderInput.files?.length;
  const count = folderInput.files?.length ?? 0;
  part(form, "show", "folder").textContent = count
    ? fill(ngettext("%(count)s file of a folder", "%(count)s files of a folder", count), { count })
    : "";
  if (count) form.requestSubmit();
});
button.hidden = true; // what is chosen is sent at once
