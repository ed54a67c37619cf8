// The buttons under a player; see templates/qc/_player.html.

export const wireControls = (root, player) => {
  const find = (name) => root.querySelector(`[data-set=${name}]`);
  const show = (name) => root.querySelector(`[data-show=${name}]`);
  const acts = {
    play: () => player.toggle(),
    back: () => player.step(-1),
    forward: () => player.step(1),
    keyback: () => player.stepKeyframe(-1),
    keyforward: () => player.stepKeyframe(1),
  };
  for (const [name, act] of Object.entries(acts)) {
    root.querySelector(`[data-act=${name}]`).addEventListener("click", act);
  }
  for (const name of ["boxes", "labels"]) {
    find(name)?.addEventListener("change", (event) => {
      player.shown[name] = event.target.checked;
      player.paint();
    });
  }
  find("speed").addEventListener("change", (event) => player.setSpeed(Number(event.target.value)));
  find("loop").addEventListener("change", (event) => {
    if (event.target.checked) player.loopAround(player.frame);
    else player.loop = null;
  });
  find("zoom").addEventListener("change", (event) => player.setZoom(Number(event.target.value)));

  const tellState = () => {
    root.querySelector("[data-icon=play]").hidden = !player.video.paused;
    root.querySelector("[data-icon=pause]").hidden = player.video.paused;
    find("speed").value = String(player.speed);
    find("loop").checked = Boolean(player.loop);
  };
  const tellFrame = () => {
    show("time").textContent = `${(player.frame / player.scene.frame_rate).toFixed(2)} s`;
    show("frame").textContent = `frame ${player.frame}`;
  };
  player.addEventListener("state", tellState);
  player.addEventListener("tell", tellFrame);
  player.addEventListener("paint", () => { // no style hangs on these: they cost next to nothing
    root.dataset.frame = player.frame;
    root.dataset.boxes = player.boxesShown;
    root.dataset.painted = player.painted;
  });
  player.addEventListener("zoom", () => {
    const near = [...find("zoom").options].reduce((best, option) =>
      Math.abs(option.value - player.zoom) < Math.abs(best.value - player.zoom) ? option : best);
    find("zoom").value = near.value;
  });
  root.querySelector(".controls").hidden = false;
  tellState();
};

// Scenes are fetched once, whoever asks.
const scenes = new Map();
export const sceneAt = (url) => {
  if (!scenes.has(url)) {
    const fetched = fetch(url, { credentials: "same-origin" }).then((answer) =>
      answer.ok ? answer.json() : Promise.reject(new Error(`${url}: ${answer.status}`)));
    fetched.catch(() => scenes.delete(url));
    scenes.set(url, fetched);
  }
  return scenes.get(url);
};
