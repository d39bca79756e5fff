/** Plays the kept recording, and knows where it is. */

import { byId, icon, setAttribute, setText } from "./elements.js";
import { clock, spokenTime } from "./numbers.js";

const SPEED = "yt-text.speed";

/** Fires `time` (detail: seconds, negative when nothing is played) and `broken`. */
export class Player extends EventTarget {
  #audio = byId("audio");
  #seek = byId("seek");
  #play = byId("play");
  #wanted = -1;
  #length = 0;

  constructor() {
    super();
    this.#play.addEventListener("click", () => this.toggle());
    this.#seek.addEventListener("input", () => this.#goTo(Number(this.#seek.value)));
    byId("speed").addEventListener("change", ({ target }) => this.#setSpeed(target.value));
    const audio = this.#audio;
    audio.addEventListener("loadedmetadata", () => {
      audio.playbackRate = Number(byId("speed").value);
      if (Number.isFinite(audio.duration)) this.setLength(audio.duration);
      if (this.#wanted >= 0) audio.currentTime = this.#wanted;
      this.#wanted = -1;
    });
    for (const name of ["timeupdate", "seeked"]) audio.addEventListener(name, () => this.#moved());
    for (const name of ["play", "pause", "ended", "waiting", "playing"]) audio.addEventListener(name, () => this.#show());
    audio.addEventListener("error", () => audio.getAttribute("src") && this.#broken());
    try {
      const kept = localStorage.getItem(SPEED);
      if (kept && [...byId("speed").options].some(({ value }) => value === kept)) byId("speed").value = kept;
    } catch {
      // no storage: the usual speed
    }
  }

  /** @param {string} address  of the recording; empty takes the player away */
  setSource(address) {
    byId("player").hidden = !address;
    document.body.classList.toggle("has-player", Boolean(address));
    if ((this.#audio.getAttribute("src") ?? "") === address) return;
    this.#audio.pause();
    this.#wanted = -1;
    setText(byId("player-problem"), "");
    if (address) {
      // Nothing is loaded before somebody plays: an explicit `load` would fetch at once.
      this.#audio.src = address;
    } else {
      this.#audio.removeAttribute("src");
      this.#audio.load();
    }
    this.#show();
    this.#shown(0);
    this.dispatchEvent(new CustomEvent("time", { detail: -1 }));
  }

  setLength(totalSeconds) {
    this.#length = totalSeconds;
    this.#seek.max = String(totalSeconds || 0);
    setText(byId("player-length"), clock(totalSeconds));
  }

  get playing() {
    return !this.#audio.paused && !this.#audio.ended;
  }

  toggle() {
    if (this.playing) this.#audio.pause();
    else void this.#start();
  }

  /** @param {number} second */
  playFrom(second) {
    this.#goTo(second);
    void this.#start();
  }

  #goTo(second) {
    if (this.#audio.readyState >= 1) this.#audio.currentTime = second;
    else this.#wanted = second;
    this.#shown(second);
  }

  async #start() {
    try {
      await this.#audio.play();
    } catch (error) {
      // A play that a pause or another source cut short is no failure.
      if (error.name !== "AbortError") this.#broken();
    }
  }

  #setSpeed(value) {
    this.#audio.playbackRate = Number(value);
    try {
      localStorage.setItem(SPEED, value);
    } catch {
      // no storage: the choice holds for this visit
    }
  }

  #broken() {
    setText(byId("player-problem"), "This browser cannot play the recording. It may not know its format, or the recording is not kept any more.");
    this.dispatchEvent(new Event("broken"));
  }

  #moved() {
    if (this.#wanted >= 0) return;
    this.#shown(this.#audio.currentTime);
    const begun = this.#audio.currentTime > 0 || this.playing;
    this.dispatchEvent(new CustomEvent("time", { detail: begun ? this.#audio.currentTime : -1 }));
  }

  #shown(second) {
    setText(byId("player-at"), clock(second, this.#length >= 3600));
    if (document.activeElement !== this.#seek || this.playing) this.#seek.value = String(second);
    setAttribute(this.#seek, "aria-valuetext", `${spokenTime(second)} of ${spokenTime(this.#length)}`);
    this.#seek.style.setProperty("--share", String(this.#length ? Math.min(1, second / this.#length) : 0));
  }

  #show() {
    setAttribute(this.#play, "aria-label", this.playing ? "Pause" : "Play");
    const name = this.playing ? "pause" : "play";
    if (this.#play.dataset.shown !== name) this.#play.replaceChildren(icon(name));
    this.#play.dataset.shown = name;
  }
}
