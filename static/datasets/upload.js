// Upload with progress, and drag and drop. Without this file the form is sent as it is.
(() => {
  const form = document.getElementById("upload");
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const panel = form.querySelector(".uploading");
  const part = (name) => panel.querySelector(`[data-part=${name}]`);
  const bar = panel.querySelector("progress");
  const button = form.querySelector("button.pri");
  const size = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`);

  const fail = (sentence) => {
    part("state").textContent = sentence;
    part("state").className = "t-bad";
    button.disabled = false;
  };

  const send = () => {
    const started = performance.now();
    const request = new XMLHttpRequest();
    request.open("POST", form.action || location.href);
    request.setRequestHeader("X-Requested-With", "XMLHttpRequest");
    request.upload.addEventListener("progress", (event) => {
      const seconds = (performance.now() - started) / 1000;
      const rate = event.loaded / Math.max(seconds, 0.1);
      const left = Math.round((event.total - event.loaded) / Math.max(rate, 1));
      bar.value = event.loaded / event.total;
      part("state").textContent =
        event.loaded < event.total
          ? `${size(event.loaded)} of ${size(event.total)} · ${size(rate)}/s · ${left} s left`
          : "Arrived; being checked…";
    });
    request.addEventListener("load", () => {
      if (request.status === 201) {
        location.assign(request.getResponseHeader("Location"));
        return;
      }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const sentence = page.getElementById("upload-error");
      fail(sentence ? sentence.textContent : `The server answered ${request.status}. Try again, or ask its administrator.`);
    });
    request.addEventListener("error", () => fail("The connection broke. Check the network and try again."));
    const content = new FormData(form);
    button.disabled = true;
    panel.hidden = false;
    part("name").textContent = input.files[0].name;
    part("state").className = "mut";
    part("state").textContent = "Starting…";
    request.send(content);
  };

  form.addEventListener("submit", (event) => {
    if (!input.files.length) return;
    event.preventDefault();
    send();
  });
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
