/** The server's answers, and how they are requested. */

import * as events from "./events";

export interface Prediction {
  label: string;
  score: number;
}

/** The object of `earmark classify --format json`. */
export interface Classification {
  path: string;
  duration: number;
  start?: number;
  end?: number;
  predictions: Prediction[];
}

/** The last row, where some windows fail and others do not. */
export interface Failure {
  path: string;
  error: string;
}

export type Row = Classification | Failure;

export const isFailure = (row: Row): row is Failure => "error" in row;

export interface Model {
  name: string;
  labels: string[];
  takes_labels: boolean;
  template?: string;
  sampling_rate: number;
  facts: [string, string][];
  examples: string[];
  clips: boolean;
  max_bytes: number;
}

export interface Clip {
  id: number;
  name: string;
  label: string;
}

/** A request that the server refused or that never reached it, in a sentence for people. */
export class Refused extends Error {}

/** What of a sound is classified, and against which labels. */
export interface Question {
  window?: number;
  span?: [number, number];
  labels?: string[];
  template?: string;
}

/** How far a request is. */
export interface Progress {
  /** So many requests are before it. */
  waiting(before: number): void;
  /** So many seconds of the sound are classified, window by window. */
  running(seconds: number): void;
}

const GONE = "The server does not answer. It may have been stopped: try again when it is running.";

async function checked(request: Promise<Response>): Promise<Response> {
  let response: Response;
  try {
    response = await request;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(GONE);
  }
  if (response.ok) return response;
  throw refused(await response.text(), `The server answered ${response.status}.`);
}

/** The sentence of `{"error": "…"}`, or the text itself, such as that of a proxy. */
function refused(text: string, otherwise: string): Refused {
  let message = text;
  try {
    message = (JSON.parse(text) as { error?: string }).error ?? text;
  } catch {
    // No JSON.
  }
  return new Refused(sentence(message || otherwise));
}

function sentence(text: string): string {
  const upper = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
}

export async function model(): Promise<Model> {
  return (await checked(fetch("api/model"))).json();
}

export async function example(number: number): Promise<Blob> {
  return (await checked(fetch(`api/examples/${number}`))).blob();
}

export async function clips(): Promise<Clip[]> {
  return (await checked(fetch("api/clips"))).json();
}

export async function clip(number: number): Promise<Blob> {
  return (await checked(fetch(`api/clips/${number}`))).blob();
}

export async function isReachable(): Promise<boolean> {
  try {
    return (await fetch("healthz")).ok;
  } catch {
    return false;
  }
}

/** A sound in a format that the browser cannot play, as a WAV. */
export async function decode(sound: Blob, name: string): Promise<Blob> {
  const body = new FormData();
  body.set("file", sound, name);
  return (await checked(fetch("api/decode", { method: "POST", body }))).blob();
}

function labelling(question: Question): [string, string][] {
  const pairs: [string, string][] = [];
  if (question.labels !== undefined) pairs.push(["labels", question.labels.join(",")]);
  if (question.template !== undefined) pairs.push(["template", question.template]);
  return pairs;
}

/** The best labels of a sound, or of each of its windows: `topK` of them. */
export async function classify(sound: Blob, name: string, question: Question, topK: number | "all", progress: Progress, signal: AbortSignal): Promise<Row[]> {
  const query = new URLSearchParams([["top_k", String(topK)], ...labelling(question)]);
  if (question.window !== undefined) query.set("window", String(question.window));
  if (question.span !== undefined) {
    query.set("start", String(question.span[0]));
    query.set("end", String(question.span[1]));
  }
  const body = new FormData();
  body.set("file", sound, name);
  const headers = { Accept: "text/event-stream" };
  const response = await checked(fetch(`api/classify?${query}`, { method: "POST", headers, body, signal }));
  try {
    if (response.body !== null) {
      for await (const { name, data } of events.read(response.body)) {
        if (name === "waiting") progress.waiting((JSON.parse(data) as { before: number }).before);
        if (name === "running") progress.running((JSON.parse(data) as { seconds: number }).seconds);
        if (name === "error") throw refused(data, "The server failed.");
        if (name === "done") {
          const answer = JSON.parse(data) as Row | Row[];
          return Array.isArray(answer) ? answer : [answer];
        }
      }
    }
  } catch (error) {
    if (error instanceof Refused || signal.aborted) throw error;
  }
  // The connection ended before the answer.
  throw new Refused(GONE);
}

/** Where the microphone's samples go. */
export function liveAddress(window: number, rate: number, question: Question): string {
  const query = new URLSearchParams([["window", String(window)], ["rate", String(rate)], ...labelling(question)]);
  const address = new URL(`api/live?${query}`, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
