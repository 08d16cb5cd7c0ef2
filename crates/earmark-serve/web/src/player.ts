/** The waveform, its region, and playing. */

import WaveSurfer from "wavesurfer.js";
import Minimap from "wavesurfer.js/dist/plugins/minimap.esm.js";
import Regions, { type Region } from "wavesurfer.js/dist/plugins/regions.esm.js";
import Spectrogram from "wavesurfer.js/dist/plugins/spectrogram.esm.js";
import Timeline from "wavesurfer.js/dist/plugins/timeline.esm.js";
import { byId, show, tell } from "./dom";
import { clock, tenths } from "./numbers";

/** From so many seconds on, a map of the whole stands below the waveform. */
const MINIMAP_FROM = 60;
/** A larger file may play for hours: it is drawn from fewer samples. */
const LARGE = 20e6;
/** The shortest region that is typed, in seconds. */
const SHORTEST = 0.01;

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

const colours = () => ({ waveColor: colour("--wave"), progressColor: colour("--accent"), cursorColor: colour("--text") });

export interface PlayerOptions {
  /** Rate at which the sound is drawn, in hertz: the model's, so that the spectrogram has the frequencies that it is given. */
  rate: number;
  /** A sound that the browser cannot play in a format that it can. */
  decode(sound: Blob): Promise<Blob>;
  /** The region has changed, or is there no more. */
  changed(span: [number, number] | undefined): void;
  /** A region was drawn by mouse or touch. */
  drawn(): void;
  /** So far it has played, in seconds. */
  reached(seconds: number): void;
}

export class Player {
  private wave: WaveSurfer | undefined;
  private regions: ReturnType<typeof Regions.create> | undefined;
  private minimap: ReturnType<typeof Minimap.create> | undefined;
  private spectrogram: Spectrogram | undefined;
  private chosen: Region | undefined;
  /** Whether the region that is being made was typed. */
  private typing = false;
  /** Counts the sounds: what one before still does is not shown. */
  private loads = 0;

  constructor(private readonly options: PlayerOptions) {
    byId("play").addEventListener("click", () => this.toggle());
    byId("speed").addEventListener("change", () => this.applySpeed());
    byId("zoom").addEventListener("change", () => this.applyZoom());
    byId("spectrogram").addEventListener("change", () => this.applySpectrogram());
    byId("clear-region").addEventListener("click", () => this.clearRegion());
    for (const id of ["region-start", "region-end"]) byId(id).addEventListener("change", () => this.applyTimes(false));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.wave?.setOptions(colours());
      this.minimap && this.applyMinimap(true);
    });
  }

  /** Shows a sound; `false` if neither the browser nor the server can. */
  async load(sound: Blob): Promise<boolean> {
    const mine = ++this.loads;
    tell(byId("sound-length"), "");
    this.pending(true);
    for (const attempt of [async () => sound, () => this.options.decode(sound)]) {
      try {
        const playable = await attempt();
        if (mine !== this.loads) return true;
        await this.open(playable);
        return true;
      } catch {
        if (mine !== this.loads) return true;
      }
    }
    this.close();
    this.pending(false);
    show(byId("view"), false);
    show(byId("no-wave"), true);
    return false;
  }

  /** The chosen part, in seconds. */
  get span(): [number, number] | undefined {
    return this.chosen && [this.chosen.start, this.chosen.end];
  }

  get duration(): number {
    return this.wave?.getDuration() ?? 0;
  }

  toggle(): void {
    if (this.chosen && this.wave && !this.wave.isPlaying()) void this.chosen.play(true);
    else void this.wave?.playPause();
  }

  seek(seconds: number): void {
    this.wave?.setTime(Math.max(0, Math.min(seconds, this.duration)));
  }

  /** Moves by a second, or by a hundredth of a long sound. */
  step(direction: number): void {
    if (this.wave) this.seek(this.wave.getCurrentTime() + direction * Math.max(1, this.duration / 100));
  }

  /** Makes the region that is typed. A field that is empty is the sound's beginning or end, once the typing is `done`. */
  applyTimes(done: boolean): void {
    const [first, last] = [byId<HTMLInputElement>("region-start").value, byId<HTMLInputElement>("region-end").value];
    if (first === "" && last === "") return this.clearRegion();
    if ((first === "" || last === "") && !done) return;
    const start = Math.max(0, Math.min(first === "" ? 0 : Number(first), this.duration - SHORTEST));
    const end = Math.max(start + SHORTEST, Math.min(last === "" ? this.duration : Number(last), this.duration));
    this.typing = true;
    if (this.chosen) this.chosen.setOptions({ start, end });
    else this.regions?.addRegion({ start, end, color: colour("--region") });
    this.typing = false;
    this.regionChanged();
  }

  clearRegion(): void {
    this.chosen?.remove();
    this.chosen = undefined;
    this.regionChanged();
  }

  private close(): void {
    this.clearRegion();
    this.wave?.destroy();
    [this.wave, this.regions, this.minimap, this.spectrogram] = [undefined, undefined, undefined, undefined];
  }

  /** Room for the waveform is there before it is. */
  private pending(on: boolean): void {
    show(byId("view"), true);
    show(byId("decoding"), on);
    show(byId("no-wave"), false);
    byId("view").classList.toggle("with-spectrogram", byId<HTMLInputElement>("spectrogram").checked);
    document.querySelectorAll<HTMLButtonElement>("#playing :is(select, input), #region-row input").forEach((control) => (control.disabled = on));
  }

  private open(sound: Blob): Promise<void> {
    this.close();
    const regions = Regions.create();
    const wave = WaveSurfer.create({
      ...colours(),
      container: byId("wave"),
      height: 96,
      cursorWidth: 2,
      normalize: true,
      sampleRate: sound.size > LARGE ? Math.min(8000, this.options.rate) : this.options.rate,
      cspNonce: nonce,
      plugins: [regions, Timeline.create({ height: 18 })],
    });
    [this.wave, this.regions] = [wave, regions];
    regions.enableDragSelection({ color: colour("--region") });
    regions.on("region-created", (region: Region) => {
      if (this.chosen !== region) this.chosen?.remove();
      this.chosen = region;
      this.regionChanged();
      if (!this.typing) this.options.drawn();
    });
    regions.on("region-update", () => this.regionChanged());
    regions.on("region-updated", () => {
      this.regionChanged();
      this.options.drawn();
    });
    const playing = (on: boolean) => tell(byId("play"), on ? "Pause" : "Play");
    wave.on("play", () => playing(true));
    wave.on("pause", () => playing(false));
    wave.on("finish", () => playing(false));
    const reached = (seconds: number) => {
      tell(byId("position"), tenths(seconds));
      this.options.reached(seconds);
    };
    wave.on("timeupdate", reached);
    wave.on("seeking", reached);
    return new Promise((resolve, reject) => {
      // Of the element that plays, too.
      wave.on("error", reject);
      wave.on("ready", (seconds: number) => {
        this.pending(false);
        tell(byId("sound-length"), clock(seconds));
        playing(false);
        reached(0);
        this.applySpeed();
        byId<HTMLSelectElement>("zoom").value = "1";
        this.applyMinimap(seconds >= MINIMAP_FROM);
        this.applySpectrogram();
        resolve();
      });
      wave.loadBlob(sound).catch(reject);
    });
  }

  private applySpeed(): void {
    this.wave?.setPlaybackRate(Number(byId<HTMLSelectElement>("speed").value), true);
  }

  private applyZoom(): void {
    if (!this.wave) return;
    const times = Number(byId<HTMLSelectElement>("zoom").value);
    this.applyMinimap(times > 1 || this.duration >= MINIMAP_FROM);
    this.wave.zoom(times === 1 ? 0 : (times * this.wave.getWidth()) / this.duration);
  }

  private applyMinimap(on: boolean): void {
    if (this.minimap) this.wave?.unregisterPlugin(this.minimap);
    this.minimap = undefined;
    if (!on) return;
    const options = { container: byId("minimap"), height: 24, overlayColor: colour("--region"), cspNonce: nonce };
    this.minimap = this.wave?.registerPlugin(Minimap.create({ ...options, ...colours() }));
  }

  private applySpectrogram(): void {
    const on = byId<HTMLInputElement>("spectrogram").checked;
    byId("view").classList.toggle("with-spectrogram", on);
    if (this.spectrogram) this.wave?.unregisterPlugin(this.spectrogram);
    this.spectrogram = on ? this.wave?.registerPlugin(Spectrogram.create({ height: 128, labels: false, scale: "mel" })) : undefined;
  }

  private regionChanged(): void {
    const span = this.span;
    const texts = span?.map((seconds) => seconds.toFixed(2));
    tell(byId("region"), texts ? `Region ${texts[0]} to ${texts[1]} s` : "Drag over the waveform to choose a region");
    byId<HTMLInputElement>("region-start").value = texts?.[0] ?? "";
    byId<HTMLInputElement>("region-end").value = texts?.[1] ?? "";
    this.options.changed(span);
  }
}
