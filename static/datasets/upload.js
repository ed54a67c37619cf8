// Sends a zip, or the files of a bundle as one, in pieces (tus 1.0.0), goes on after any interruption, and takes files dropped
// here. Without this file the form is sent as it is.
(() => {
  const PIECE = 16 * 2 ** 20;
  const WAITS = [1, 2, 5, 10, 30]; // seconds before the next try; the last one for ever
  const form = document.getElementById("upload");
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const panel = form.querySelector(".uploading");
  const part = (name) => form.querySelector(`[data-part=${name}]`);
  const bar = panel.querySelector("progress");
  const button = form.querySelector("button.pri");
  const token = form.querySelector("[name=csrfmiddlewaretoken]").value;

  const size = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`);
  const duration = (seconds) => {
    if (seconds < 90) return `${Math.ceil(seconds)} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return `${(seconds / 3600).toFixed(1)} h`;
  };
  const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
  const text64 = (text) => base64(new TextEncoder().encode(text));

  const say = (sentence, tone = "mut") => {
    part("state").textContent = sentence;
    part("state").className = tone;
  };

  class Refused extends Error {}
  class Trouble extends Error {} // that may pass; its message may be empty

  // Resolves with the answered request; rejects if the connection broke.
  let current = null;
  const ask = (method, address, { headers = {}, body = null, progress = null, isOurs = true } = {}) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      current = request;
      request.open(method, address);
      const ours = isOurs ? { "Tus-Resumable": "1.0.0", "X-CSRFToken": token } : {};
      const all = { ...ours, ...headers };
      for (const [name, value] of Object.entries(all)) request.setRequestHeader(name, value);
      if (progress) request.upload.addEventListener("progress", progress);
      request.addEventListener("load", () => resolve(request));
      for (const name of ["error", "abort", "timeout"]) request.addEventListener(name, () => reject(new Error(name)));
      request.send(body);
    });

  // Errors that trying again does not mend: everything but a server in trouble or out of step.
  const check = (request) => {
    if (request.status < 300) return request;
    const isPlain = (request.getResponseHeader("Content-Type") || "").startsWith("text/plain");
    const sentence = isPlain ? request.responseText : "";
    if ([409, 423, 460, 500, 502, 503, 504].includes(request.status)) throw new Trouble(sentence);
    throw new Refused(sentence || `The server answered ${request.status}. Log in again, then choose the same file: what has arrived is kept.`);
  };

  const begin = async (file) => {
    const about = { filename: file.name, fingerprint: `${file.name}/${file.size}/${file.lastModified}` };
    if (crypto.subtle) about.checksum = "sha256";
    const metadata = Object.entries(about).map(([key, value]) => `${key} ${text64(value)}`).join(",");
    const headers = { "Upload-Length": file.size, "Upload-Metadata": metadata };
    const request = check(await ask("POST", form.dataset.transfers, { headers }));
    const partSize = Number(request.getResponseHeader("Upload-Part-Size"));
    return { address: request.getResponseHeader("Location"), partSize };
  };

  const sha256 = async (piece) => { // browsers give it to https and localhost alone
    if (!crypto.subtle) return "";
    return base64(new Uint8Array(await crypto.subtle.digest("SHA-256", await piece.arrayBuffer())));
  };

  const offsetOf = async (address) => Number(check(await ask("HEAD", address)).getResponseHeader("Upload-Offset"));

  const sendPiece = async (file, address, offset, progress) => {
    const piece = file.slice(offset, offset + PIECE);
    const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": offset };
    const sum = await sha256(piece);
    if (sum) headers["Upload-Checksum"] = `sha256 ${sum}`;
    const request = check(await ask("PATCH", address, { headers, body: piece, progress }));
    return Number(request.getResponseHeader("Upload-Offset"));
  };

  // Straight into the bucket: each missing part to the address that is signed for it.
  const sendParts = async (file, { address, partSize }, progress) => {
    const { done, is_finished } = JSON.parse(check(await ask("GET", address)).responseText);
    if (is_finished) return file.size;
    const count = Math.ceil(file.size / partSize);
    let here = done.length * partSize;
    for (let part = 1; part <= count; part++) {
      if (done.includes(part)) continue;
      const piece = file.slice((part - 1) * partSize, part * partSize);
      const body = new URLSearchParams({ part, sha256: await sha256(piece) });
      const { url, headers } = JSON.parse(check(await ask("POST", address, { body })).responseText);
      const start = here;
      const put = await ask("PUT", url, { headers, body: piece, isOurs: false, progress: (event) => progress(start + event.loaded) });
      if (put.status >= 300) throw new Trouble(`The bucket answered ${put.status}.`);
      here += piece.size;
    }
    check(await ask("POST", address));
    return file.size;
  };

  let isPaused = false;
  let goOn = () => {};
  const pause = (seconds) =>
    new Promise((resolve) => {
      goOn = resolve;
      if (seconds !== Infinity) setTimeout(resolve, seconds * 1000);
    });

  const send = async (file) => {
    let begun = null;
    let failures = 0;
    let offset = -1;
    let began = null;
    let from = 0;
    const show = (here) => {
      bar.value = here / file.size;
      const seconds = (performance.now() - began) / 1000;
      const rate = (here - from) / Math.max(seconds, 0.1);
      const left = rate > 0 ? ` · ${size(rate)}/s · ${duration((file.size - here) / rate)} left` : "";
      say(`${size(here)} of ${size(file.size)}${left}`);
    };
    while (offset < file.size) {
      try {
        if (isPaused) {
          say("Paused. You may close this page; choose the same file again to go on.");
          await pause(Infinity);
          offset = -1;
          continue;
        }
        begun ??= await begin(file);
        const { address, partSize } = begun;
        if (partSize) {
          began = performance.now();
          from = -1;
          offset = await sendParts(file, begun, (here) => {
            if (from < 0) from = here;
            failures = 0;
            show(Math.min(here, file.size));
          });
          continue;
        }
        if (offset < 0) {
          offset = await offsetOf(address);
          began = performance.now();
          from = offset;
          show(offset);
          continue;
        }
        const start = offset;
        offset = await sendPiece(file, address, start, (event) => show(start + Math.min(event.loaded, PIECE)));
        failures = 0;
      } catch (error) {
        if (error instanceof Refused) throw error;
        offset = -1;
        if (isPaused) continue;
        const wait = WAITS[Math.min(failures++, WAITS.length - 1)];
        const reason = (error instanceof Trouble && error.message) || "The connection broke.";
        say(`${reason} Trying again in ${wait} s; what has arrived is kept.`, "t-warn");
        await pause(wait);
      }
    }
  };

  // The files of a bundle travel as one zip, which is the same every time it is packed.
  const oneFile = async (files) => {
    if (files.length === 1) return files[0];
    part("name").textContent = `${files.length} files`;
    return packFiles(files, "bundle.zip", (share) => {
      bar.value = share;
      say(`Packing, ${Math.floor(100 * share)} %`);
    });
  };

  const leaving = (event) => event.preventDefault();

  form.addEventListener("submit", async (event) => {
    if (!input.files.length) return;
    event.preventDefault();
    button.disabled = true;
    panel.hidden = false;
    say("Starting…");
    addEventListener("beforeunload", leaving);
    try {
      const file = await oneFile([...input.files]);
      part("pause").hidden = false;
      part("name").textContent = file.name;
      await send(file);
      say("Arrived.");
      removeEventListener("beforeunload", leaving);
      location.assign(form.dataset.next);
    } catch (error) {
      removeEventListener("beforeunload", leaving);
      say(error.message, "t-bad");
      button.disabled = false;
      part("pause").hidden = true;
    }
  });
  part("pause").addEventListener("click", () => {
    isPaused = !isPaused;
    part("pause").textContent = isPaused ? "Go on" : "Pause";
    if (isPaused) current?.abort();
    else goOn();
  });
  addEventListener("online", () => goOn());
  for (const one of document.querySelectorAll("[data-discard]")) {
    one.addEventListener("click", async () => {
      await ask("DELETE", one.dataset.discard);
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
    if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
  });
})();
