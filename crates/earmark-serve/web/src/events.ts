/** Server-sent events that answer a POST, which `EventSource` cannot send. */

export interface ServerEvent {
  name: string;
  data: string;
}

/** The events of a response, as they come. */
export async function* read(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      text += decoder.decode(value, { stream: !done });
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) {
        const field = (name: string) => event.split("\n").filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)).join("\n");
        // A comment, which keeps the connection open, has neither.
        if (field("event") !== "") yield { name: field("event"), data: field("data") };
      }
      if (done) return;
    }
  } finally {
    await reader.cancel();
  }
}
