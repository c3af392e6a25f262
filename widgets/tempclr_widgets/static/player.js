// Plays the clips: the position advances on a timer, or with the video.

import { element, still } from "./view.js";

const LATE = 30; // longest duration of playback without a video, in seconds

/** Lets the play button move the position, with the video if there is one. Returns { stop, end }. */
export function playerOf(strip) {
  const { root, play, m } = strip;
  let playing = 0;
  const stop = () => {
    clearInterval(playing);
    playing = 0;
    strip.video?.pause();
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  };
  const refuse = (error) => (stop(), root.fail(`The video cannot be played: ${error.message}`));
  play.addEventListener("click", () => {
    const { video } = strip;
    if (playing || (video && !video.paused)) return stop();
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    if (video) return void video.play().catch(refuse);
    if (strip.at >= m - 1) strip.move(0);
    const pause = Math.max(still() ? 500 : 40, Math.min(400, (LATE * 1000) / m));
    const step = Math.max(1, Math.ceil((m * pause) / (LATE * 1000)));
    playing = setInterval(() => (strip.at >= m - 1 ? stop() : strip.move(strip.at + step)), pause);
  });
  return { stop, end: () => clearInterval(playing) };
}

/** Opens the video of a page, or asks the kernel for it. */
export function askForVideo(strip) {
  const { root, model, facts } = strip;
  if (!model.get("_video_type")) return;
  if (model.baked) return openVideo(strip, model.get("_video"));
  const onVideo = (message, buffers) => message.video && !strip.video && openVideo(strip, buffers[0]);
  model.on("msg:custom", onVideo);
  root.onEnd(() => model.off("msg:custom", onVideo));
  model.send({ video: true });
  facts.textContent = "Loading the video from the kernel.";
}

function openVideo(strip, content) {
  const { root, m, starts, now, player } = strip;
  const address = URL.createObjectURL(new Blob([content], { type: strip.model.get("_video_type") }));
  const video = element("video", { playsinline: true, preload: "auto", "aria-label": "the video" });
  strip.video = video;
  video.addEventListener("error", () => {
    root.fail("The browser cannot play this video. Every browser plays H.264 in MP4 and VP9 in WebM.");
  });
  video.addEventListener("timeupdate", () => {
    if (video.paused) return;
    let j = strip.at;
    while (j + 1 < m && starts[j + 1] <= video.currentTime) j++;
    while (j > 0 && starts[j] > video.currentTime) j--;
    if (j !== strip.at) strip.move(j, true);
  });
  video.addEventListener("ended", player.stop);
  video.src = address;
  now.replaceWith(video);
  root.onEnd(() => (player.stop(), URL.revokeObjectURL(address)));
}

/** Moves the video to the start of the clip. */
export function seek({ video, starts, at }) {
  video.currentTime = starts[at] + 0.01;
}
