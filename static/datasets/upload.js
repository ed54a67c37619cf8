// Upload page: sends a zip, or videos, a folder or a bundle's files as one zip, in pieces; continues
// after an interruption; takes files dropped on it. Without JavaScript the form is sent as it is.

import { part } from "../js/elements.js";
import { csrfToken, logInAgain } from "../js/session.js";
import { progressText } from "./progress.js";
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
      showState("Paused. You can close this page and choose the same file again later.");
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
      const reason = (error instanceof TemporaryError && error.message) || "The connection broke.";
      showState(`${reason} Trying again in ${wait} s; the upload will continue.`, "t-warn");
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
  fileName.textContent = isSingle ? first.name : `${files.length} files`;
  return zipFiles(files, `${folder || (isSingle ? first.name : "files")}.zip`, (share) => {
    bar.value = share;
    showState(`Packing, ${Math.floor(100 * share)} %`);
  });
};

/** @param {BeforeUnloadEvent} event */
const confirmLeaving = (event) => event.preventDefault();

form.addEventListener("submit", async (event) => {
  const files = [...(folderInput.files?.length ? folderInput.files : (input.files ?? []))];
  if (!files.length) return;
  event.preventDefault();
  button.disabled = true;
  panel.hidden = false;
  showState("Starting…");
  addEventListener("beforeunload", confirmLeaving);
  try {
    const file = await asOneFile(files);
    pauseButton.hidden = false;
    fileName.textContent = file.name;
    await send(file);
    showState("Uploaded.");
    removeEventListener("beforeunload", confirmLeaving);
    location.assign(form.dataset.next ?? "");
  } catch (error) {
    removeEventListener("beforeunload", confirmLeaving);
    showState(error instanceof Error ? error.message : String(error), "t-bad");
    button.disabled = false;
    pauseButton.hidden = true;
  }
});
pauseButton.addEventListener("click", () => {
  isPaused = !isPaused;
  pauseButton.textContent = isPaused ? "Resume" : "Pause";
  if (isPaused) client.abort();
  else resume();
});
addEventListener("online", () => resume());

for (const discard of document.querySelectorAll("[data-discard]")) {
  discard.addEventListener("click", async () => {
    await client.request("DELETE", discard.getAttribute("data-discard") ?? "");
    location.reload();
  });
}
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  drop.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragenter" || name === "dragover");
  });
}
drop.addEventListener("drop", (event) => {
  folderInput.value = "";
  if (event.dataTransfer?.files.length) input.files = event.dataTransfer.files;
});
part(form, "act", "folder").addEventListener("click", () => folderInput.click());
input.addEventListener("change", () => {
  folderInput.value = ""; // the last choice counts
});
folderInput.addEventListener("change", () => {
  input.required = !folderInput.files?.length;
  const count = folderInput.files?.length ?? 0;
  part(form, "show", "folder").textContent = count ? `${count} files of a folder` : "";
});
