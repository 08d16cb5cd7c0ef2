/** The waveform, its regions, and playing. */

import WaveSurfer from "wavesurfer.js";
import Minimap from "wavesurfer.js/dist/plugins/minimap.esm.js";
import Regions, { type Region } from "wavesurfer.js/dist/plugins/regions.esm.js";
import Spectrogram from "wavesurfer.js/dist/plugins/spectrogram.esm.js";
import Timeline from "wavesurfer.js/dist/plugins/timeline.esm.js";
import { byId, clock, show } from "./dom";

/** Above this many seconds a spectrogram costs more than it shows. */
const SPECTROGRAM_UP_TO = 600;
/** Above this many seconds a map of the whole stands below the waveform. */
const MINIMAP_FROM = 60;

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";

export class Player {
  private wave: WaveSurfer | undefined;
  private chosen: Region | undefined;

  constructor(private readonly changed: (span: [number, number] | undefined) => void) {
    byId("play").addEventListener("click", () => this.toggle());
    byId<HTMLSelectElement>("speed").addEventListener("change", (event) => {
      this.wave?.setPlaybackRate(Number((event.target as HTMLSelectElement).value), true);
    });
    byId("spectrogram").addEventListener("change", () => this.reload());
    byId("clear-region").addEventListener("click", () => this.clearRegion());
  }

  private source: Blob | undefined;

  load(sound: Blob): void {
    this.source = sound;
    this.reload();
  }

  /** The chosen part, in seconds. */
  get span(): [number, number] | undefined {
    return this.chosen && [this.chosen.start, this.chosen.end];
  }

  toggle(): void {
    if (this.chosen && this.wave && !this.wave.isPlaying()) void this.chosen.play(true);
    else void this.wave?.playPause();
  }

  seek(seconds: number): void {
    this.wave?.setTime(seconds);
  }

  clearRegion(): void {
    this.chosen?.remove();
    this.chosen = undefined;
    this.changed(undefined);
  }

  private reload(): void {
    this.wave?.destroy();
    this.clearRegion();
    const sound = this.source;
    if (sound === undefined) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const regions = Regions.create();
    const wave = WaveSurfer.create({
      container: byId("wave"),
      height: 96,
      waveColor: colour("--wave"),
      progressColor: colour("--accent"),
      cursorColor: colour("--text"),
      cursorWidth: 2,
      normalize: true,
      cspNonce: nonce,
      plugins: [regions, Timeline.create({ height: 18 })],
    });
    this.wave = wave;
    show(byId("no-wave"), false);
    regions.enableDragSelection({ color: colour("--region") });
    regions.on("region-created", (region: Region) => {
      if (this.chosen !== region) this.chosen?.remove();
      this.chosen = region;
      this.changed(this.span);
    });
    regions.on("region-updated", () => this.changed(this.span));
    wave.on("ready", (seconds: number) => {
      byId("sound-length").textContent = clock(seconds);
      wave.setPlaybackRate(Number(byId<HTMLSelectElement>("speed").value), true);
      if (seconds >= MINIMAP_FROM) {
        wave.registerPlugin(Minimap.create({ container: byId("minimap"), height: 24, waveColor: colour("--wave"), progressColor: colour("--accent"), cspNonce: nonce }));
      }
      if (byId<HTMLInputElement>("spectrogram").checked && seconds <= SPECTROGRAM_UP_TO) {
        wave.registerPlugin(Spectrogram.create({ height: 128, labels: false, scale: "mel" }));
      }
    });
    const playing = (on: boolean) => {
      byId("play").textContent = on ? "Pause" : "Play";
      byId("play").setAttribute("aria-pressed", String(on));
    };
    wave.on("play", () => playing(true));
    wave.on("pause", () => playing(false));
    wave.on("finish", () => playing(false));
    // The server may know a format that the browser does not.
    wave.on("error", () => show(byId("no-wave"), true));
    wave.loadBlob(sound).catch(() => show(byId("no-wave"), true));
  }
}
