/** Bytes as Web Crypto takes them. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

export function utf8(text: string): Bytes {
  return encoder.encode(text) as Bytes;
}

/** A number in 8 bytes, the highest first. */
export function uint64(n: number): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(n));
  return bytes;
}

export function concat(...parts: readonly (Bytes | number)[]): Bytes {
  const all = new Uint8Array(parts.reduce<number>((sum, part) => sum + (typeof part === "number" ? 1 : part.length), 0));
  let at = 0;
  for (const part of parts) {
    if (typeof part === "number") all[at++] = part;
    else {
      all.set(part, at);
      at += part.length;
    }
  }
  return all;
}

export function encode64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * Exactly so many bytes in base64url, or undefined. There is one way to write
 * them: with the last bits otherwise a relay could give an entry another name
 * under the same hash chain.
 */
export function decode64(text: unknown, length: number): Bytes | undefined {
  if (typeof text !== "string" || text.length !== Math.ceil((length * 4) / 3) || !/^[\w-]*$/.test(text)) return undefined;
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return encode64(bytes) === text ? bytes : undefined;
}

export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
