// The clip player: picture and boxes are painted onto one canvas for the very frame that the
// browser presents (requestVideoFrameCallback), so that a box never runs ahead of its picture.
// Frames are 0-based; frame n is shown from n/30 s on, so seeking aims at its middle.
(() => {
  const player = document.getElementById("player");
  const video = player.querySelector("video");
  if (!video) return;
  const canvas = player.querySelector("canvas");
  const paper = canvas.getContext("2d");
  const lanes = player.querySelector(".lanes");
  const scrub = lanes.querySelector("input[type=range]");
  const ruler = lanes.querySelector(".ticks svg");
  const playhead = lanes.querySelector(".playhead");
  const show = (name) => player.querySelector(`[data-show=${name}]`);
  const beliefs = [...document.querySelectorAll("[data-second]")];
  const beliefAt = document.getElementById("belief-at");
  const beliefNone = document.getElementById("belief-none");
  const hiddenPersons = new Set();
  const shown = { boxes: true, labels: true };
  let scene = { frame_rate: 30, frame_count: Number(scrub.max) + 1, keyframes: [], persons: [], beliefs: {} };
  let frame = 0; // the one on the screen
  let wanted = null; // the one that was asked for last
  let settled = true; // no seek is under way

  const colours = Array.from({ length: 12 }, (_, number) => {
    const probe = document.createElement("i");
    probe.className = `p${number}`;
    document.body.append(probe);
    const colour = getComputedStyle(probe).getPropertyValue("--c").trim();
    probe.remove();
    return colour;
  });
  const colourOf = (number) => colours[number % colours.length];

  // Where the picture lies on the canvas, in canvas pixels.
  const stage = () => {
    const ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const scale = Math.min(width / video.videoWidth, height / video.videoHeight);
    const left = (width - video.videoWidth * scale) / 2;
    const top = (height - video.videoHeight * scale) / 2;
    return { ratio, scale, left, top };
  };

  const boxAt = (person, at) => {
    for (const part of person.parts) {
      const place = at - part.start;
      if (place >= 0 && place < part.boxes.length) {
        return { box: part.boxes[place], isGuess: part.scores[place] === null };
      }
    }
    return null;
  };

  const nearestKeyframe = (at) => {
    const second = Math.round(at / scene.frame_rate);
    return scene.keyframes.includes(second) ? second : null;
  };

  const drawBox = (view, box, colour, text, isDashed) => {
    const [x1, y1, x2, y2] = box;
    const x = view.left + x1 * view.scale;
    const y = view.top + y1 * view.scale;
    const width = (x2 - x1) * view.scale;
    const height = (y2 - y1) * view.scale;
    paper.setLineDash(isDashed ? [6 * view.ratio, 4 * view.ratio] : []);
    paper.lineWidth = 2 * view.ratio;
    paper.strokeStyle = colour;
    paper.strokeRect(x, y, width, height);
    paper.setLineDash([]);
    const size = 12 * view.ratio;
    paper.font = `600 ${size}px Inter, sans-serif`;
    const wide = paper.measureText(text).width + 10 * view.ratio;
    const tall = size + 6 * view.ratio;
    const chipX = Math.max(0, Math.min(x - view.ratio, canvas.width - wide));
    const chipY = y - tall > 0 ? y - tall : y;
    paper.fillStyle = colour;
    paper.fillRect(chipX, chipY, wide, tall);
    paper.fillStyle = "#0b0d10";
    paper.textBaseline = "middle";
    paper.fillText(text, chipX + 5 * view.ratio, chipY + tall / 2 + view.ratio * 0.5);
  };

  const drawPeople = (view) => {
    const second = nearestKeyframe(frame);
    const believed = (second !== null && scene.beliefs[second]) || {};
    const textOf = (label, number) => {
      const actions = (shown.labels && believed[number]?.actions) || [];
      return [label, ...actions].join(" · ");
    };
    let count = 0;
    const tracked = new Set();
    for (const person of scene.persons) {
      const found = boxAt(person, frame);
      if (!found) continue;
      tracked.add(String(person.number));
      if (hiddenPersons.has(person.number)) continue;
      drawBox(view, found.box, colourOf(person.number), textOf(person.label, person.number), found.isGuess);
      count += 1;
    }
    // People whom only annotators drew have a box at keyframes alone.
    for (const [number, belief] of Object.entries(believed)) {
      if (!tracked.has(number)) drawBox(view, belief.box, "#ffffff", textOf(`P${number}`, number), true);
    }
    return count;
  };

  const paint = () => {
    if (!video.videoWidth || video.seeking) return; // which picture is there is not known yet
    const view = stage();
    paper.clearRect(0, 0, canvas.width, canvas.height);
    paper.imageSmoothingQuality = "high";
    paper.drawImage(video, view.left, view.top, video.videoWidth * view.scale, video.videoHeight * view.scale);
    const count = shown.boxes ? drawPeople(view) : 0;
    player.dataset.boxes = count;
  };

  const tell = () => {
    const seconds = frame / scene.frame_rate;
    show("time").textContent = `${seconds.toFixed(2)} s`;
    show("frame").textContent = `frame ${frame}`;
    if (document.activeElement !== scrub || !video.paused) scrub.value = frame;
    const area = ruler.getBoundingClientRect();
    const left = area.left - lanes.getBoundingClientRect().left;
    playhead.style.left = `${left + (area.width * (frame + 0.5)) / scene.frame_count}px`;
    const second = nearestKeyframe(frame);
    let isAny = false;
    for (const belief of beliefs) {
      belief.hidden = Number(belief.dataset.second) !== second;
      isAny ||= !belief.hidden;
    }
    if (beliefs.length) {
      beliefNone.hidden = isAny;
      beliefAt.textContent = second === null ? "no keyframe here" : `keyframe at second ${second}`;
    }
    for (const row of document.querySelectorAll(".who-row")) {
      const person = scene.persons.find((one) => one.number === Number(row.dataset.person));
      row.classList.toggle("here", Boolean(person && boxAt(person, frame)));
    }
    player.dataset.frame = frame;
  };

  const present = (at) => {
    frame = Math.max(0, Math.min(at, scene.frame_count - 1));
    paint();
    tell();
  };

  const frameOf = (time) => Math.round(time * scene.frame_rate);
  if (video.requestVideoFrameCallback) {
    const next = (_, about) => {
      present(frameOf(about.mediaTime));
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  } else {
    const look = () => {
      present(Math.floor(video.currentTime * scene.frame_rate + 0.001));
      if (!video.paused) requestAnimationFrame(look);
    };
    video.addEventListener("seeked", look);
    video.addEventListener("play", look);
  }

  // One seek at a time; the newest wish is carried out when the one under way has ended.
  const go = (at) => {
    wanted = Math.max(0, Math.min(at, scene.frame_count - 1));
    if (!settled) return;
    settled = false;
    video.currentTime = (wanted + 0.5) / scene.frame_rate;
  };
  video.addEventListener("seeked", () => {
    settled = true;
    const reached = Math.floor(video.currentTime * scene.frame_rate + 0.001);
    if (video.paused) present(reached); // a first picture is not always announced
    if (wanted !== null && wanted !== reached) go(wanted);
  });
  const step = (by) => {
    const from = video.paused && wanted !== null ? wanted : frame;
    video.pause();
    go(from + by);
  };
  const stepKeyframe = (direction) => {
    const from = video.paused && wanted !== null ? wanted : frame;
    const marks = scene.keyframes.map((second) => second * scene.frame_rate);
    const next = direction > 0 ? marks.find((mark) => mark > from) : marks.findLast((mark) => mark < from);
    if (next !== undefined) {
      video.pause();
      go(next);
    }
  };
  const toggle = () => (video.paused ? video.play() : video.pause());

  const acts = {
    play: toggle,
    back: () => step(-1),
    forward: () => step(1),
    keyback: () => stepKeyframe(-1),
    keyforward: () => stepKeyframe(1),
  };
  for (const button of player.querySelectorAll("[data-act]")) {
    button.addEventListener("click", acts[button.dataset.act]);
  }
  const playIcons = () => {
    player.querySelector("[data-icon=play]").hidden = !video.paused;
    player.querySelector("[data-icon=pause]").hidden = video.paused;
    if (!video.paused) wanted = null;
  };
  video.addEventListener("play", playIcons);
  video.addEventListener("pause", playIcons);
  video.addEventListener("click", toggle);
  video.addEventListener("error", () => {
    const note = document.createElement("p");
    note.className = "failed";
    note.textContent = "This browser cannot play the clip, or its file is missing.";
    video.parentElement.append(note);
  });

  const setBoxes = player.querySelector("[data-set=boxes]");
  for (const name of ["boxes", "labels"]) {
    player.querySelector(`[data-set=${name}]`).addEventListener("change", (event) => {
      shown[name] = event.target.checked;
      paint();
    });
  }
  player.querySelector("[data-set=speed]").addEventListener("change", (event) => {
    video.playbackRate = Number(event.target.value);
  });
  scrub.addEventListener("input", () => {
    video.pause();
    go(Number(scrub.value));
  });
  for (const lane of lanes.querySelectorAll("[data-person]")) {
    const number = Number(lane.dataset.person);
    const button = lane.querySelector(".who");
    button.addEventListener("click", () => {
      const isOff = !hiddenPersons.delete(number);
      if (isOff) hiddenPersons.add(number);
      lane.classList.toggle("off", isOff);
      button.setAttribute("aria-pressed", String(!isOff));
      paint();
    });
    lane.querySelector("svg").addEventListener("click", (event) => {
      const area = event.currentTarget.getBoundingClientRect();
      video.pause();
      go(Math.floor(((event.clientX - area.left) / area.width) * scene.frame_count));
    });
  }

  const keys = {
    " ": toggle,
    k: toggle,
    ArrowLeft: (event) => step(event.shiftKey ? -scene.frame_rate : -1),
    ArrowRight: (event) => step(event.shiftKey ? scene.frame_rate : 1),
    ",": () => step(-1),
    ".": () => step(1),
    j: () => stepKeyframe(-1),
    l: () => stepKeyframe(1),
    Home: () => step(-scene.frame_count),
    End: () => step(scene.frame_count),
    b: () => setBoxes.click(),
  };
  document.addEventListener("keydown", (event) => {
    const isTaken = event.target.closest("input, textarea, select, .scroll, .tw");
    const isButton = event.target.closest("button, a, summary") && event.key === " ";
    const act = keys[event.key] || keys[event.key.toLowerCase()];
    if (!act || isTaken || isButton || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act(event);
  });
  new ResizeObserver(() => {
    paint();
    tell();
  }).observe(canvas);

  video.controls = false;
  player.querySelector(".controls").hidden = false;
  player.querySelector(".keys").hidden = false;
  lanes.hidden = false;

  const asked = new URLSearchParams(location.search);
  const first = asked.has("frame")
    ? Number(asked.get("frame"))
    : Number(asked.get("second") || 0) * scene.frame_rate;
  const begin = () => go(Number.isFinite(first) ? first : 0);
  if (video.readyState >= 1) begin();
  else video.addEventListener("loadedmetadata", begin, { once: true });

  fetch(player.dataset.scene, { credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
    .then((content) => {
      scene = content;
      player.dataset.ready = "true";
      present(frame);
    })
    .catch(() => {
      show("frame").textContent += " · boxes could not be loaded";
    });
})();
