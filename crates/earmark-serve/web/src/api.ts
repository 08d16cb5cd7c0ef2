/** The server's answers, and how they are asked for. */

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

export interface Question {
  window?: number;
  span?: [number, number];
  labels?: string[];
  template?: string;
}

async function checked(request: Promise<Response>): Promise<Response> {
  let response: Response;
  try {
    response = await request;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused("The server does not answer. It may have been stopped; try again when it is back.");
  }
  if (response.ok) return response;
  const text = await response.text();
  let message = text;
  try {
    message = (JSON.parse(text) as { error?: string }).error ?? text;
  } catch {
    // A proxy's page, say.
  }
  throw new Refused(sentence(message || `The server answered ${response.status}.`));
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

export function clipAddress(clip: Clip): string {
  return `api/clips/${clip.id}`;
}

/** Every label of a sound, or of each of its windows. */
export async function classify(sound: Blob, name: string, question: Question, signal: AbortSignal): Promise<Classification[]> {
  const query = new URLSearchParams({ top_k: "all" });
  if (question.window !== undefined) query.set("window", String(question.window));
  if (question.span !== undefined) {
    query.set("start", String(question.span[0]));
    query.set("end", String(question.span[1]));
  }
  if (question.labels !== undefined) query.set("labels", question.labels.join(","));
  if (question.template !== undefined) query.set("template", question.template);
  const body = new FormData();
  body.set("file", sound, name);
  const response = await checked(fetch(`api/classify?${query}`, { method: "POST", body, signal }));
  const answer = (await response.json()) as Classification | Classification[];
  return Array.isArray(answer) ? answer : [answer];
}

/** Where the microphone's samples go. */
export function liveAddress(window: number, question: Question): string {
  const query = new URLSearchParams({ window: String(window) });
  if (question.labels !== undefined) query.set("labels", question.labels.join(","));
  if (question.template !== undefined) query.set("template", question.template);
  const address = new URL(`api/live?${query}`, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
