// Cache of video elements: clips that are loaded, and wound to their loop, before they are shown.

/** @import { AdjudicationItem } from "./adjudication_item.js" */

export class VideoCache {
  constructor() {
    /** @type {Map<string, HTMLVideoElement>} */
    this.videos = new Map(); // by clip, without the one on the screen
  }

  /**
   * Load the clip of an item.
   * @param {AdjudicationItem} item
   */
  prefetch({ clip, videoUrl, size, loop }) {
    if (this.videos.has(clip)) return;
    const video = document.createElement("video");
    Object.assign(video, {
      muted: true,
      playsInline: true,
      preload: "auto",
      src: videoUrl,
      ...size,
    });
    const rewind = () => {
      video.currentTime = (loop.start + 0.5) / 30;
    };
    video.addEventListener("loadedmetadata", rewind, { once: true });
    video.load();
    this.videos.set(clip, video);
  }

  /**
   * Take the video of a clip out of the cache.
   * @param {AdjudicationItem} item
   */
  take(item) {
    this.prefetch(item);
    const video = /** @type {HTMLVideoElement} */ (this.videos.get(item.clip));
    this.videos.delete(item.clip);
    return video;
  }

  /**
   * Put the video of a clip back, and free those of clips that are not `wanted`.
   * @param {string} clip
   * @param {HTMLVideoElement} video
   * @param {string[]} wanted
   */
  put(clip, video, wanted) {
    for (const [name, one] of this.videos) {
      if (wanted.includes(name)) continue;
      one.removeAttribute("src");
      one.load();
      this.videos.delete(name);
    }
    this.videos.set(clip, video);
  }
}
