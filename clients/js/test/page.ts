import { expect } from "vitest";
import { createWrit, type Options, type Writ } from "../src/index.ts";
import { issuer, World, type Tab } from "./world.ts";

/** A page with the client, and what its listeners were told. */
export interface Page {
  tab: Tab;
  writ: Writ;
  told: string[];
}

export const alice = { email: "alice@example.com", password: "right" };

export function load(world: World, options: Partial<Options> = {}): Page {
  const tab = world.open();
  const writ = createWrit({ issuer, ...options }, tab);
  const told: string[] = [];
  writ.onChange((user, reason) => told.push(`${user?.email ?? "nobody"} ${reason}`));
  return { tab, writ, told };
}

/** A page that is signed in, and has asked the server once. */
export async function signedIn(world = new World(), options: Partial<Options> = {}) {
  const grant = world.server.begin(world.jar);
  const page = load(world, options);
  await world.run(100);
  expect(page.writ.user?.email).toBe("alice@example.com");
  expect(world.take("/v1/refresh")).toHaveLength(1);
  return { world, grant, ...page };
}

/** Waits for work while time passes, and answers what it rejects with. */
export async function outcome<T>(world: World, work: Promise<T>, ms = 1000): Promise<T | Error> {
  const done = work.catch((error: Error) => error);
  await world.run(ms);
  return done;
}
