import { LogError, maxBytes } from "./page.ts";

const maxEvent = maxBytes + 4096;

/**
 * The data of one server-sent event after the other. It is stricter than a
 * browser, which Writ never notices: an event has one line of data, and counts
 * when the empty line after it is there.
 */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let size = 0; // of the event under way
  let data: string | undefined;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const searched = rest.length;
      rest += decoder.decode(value, { stream: true });
      if (size + rest.length > maxEvent && rest.indexOf("\n", searched) < 0) throw new LogError("an event that is too long");
      for (let end = rest.indexOf("\n", searched), begin = 0; ; end = rest.indexOf("\n", begin)) {
        if (end < 0) {
          rest = rest.slice(begin);
          break;
        }
        const line = rest.slice(begin, end).replace(/\r$/, "");
        begin = end + 1;
        if ((size += line.length + 1) > maxEvent) throw new LogError("an event that is too long");
        if (line === "") {
          if (data !== undefined) yield data;
          data = undefined;
          size = 0;
        } else if (line === "data" || line.startsWith("data:")) {
          if (data !== undefined) throw new LogError("an event with two lines of data");
          data = line.slice(5).replace(/^ /, "");
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
