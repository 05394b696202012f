/**
 * What the client uses of a browser: the global object itself, or another with
 * the same names. Tests give each tab one of its own.
 */
export interface Platform {
  fetch: typeof fetch;
  setTimeout(work: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  performance: { now(): number };
  Date: { now(): number };
  Math: { random(): number };
  /** Absent on a server: there the client does nothing by itself. */
  document?: { readonly visibilityState: string; readonly baseURI: string };
  location?: { readonly href: string };
  navigator?: { readonly locks?: Locks };
  BroadcastChannel?: new (name: string) => Channel;
  addEventListener?(type: string, listener: (event: Event) => void, options: { signal: AbortSignal }): void;
}

/** The part of a BroadcastChannel that is used. */
export interface Channel {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown): void;
  close(): void;
}

/** The part of the Web Locks API that is used. */
export interface Locks {
  request<T>(name: string, options: { signal: AbortSignal }, work: () => Promise<T>): Promise<T>;
}
