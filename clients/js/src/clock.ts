import type { Platform } from "./platform.ts";

/**
 * Starts a stopwatch; what it returns tells the milliseconds since.
 *
 * performance.now() can't be set, but stands still while the machine sleeps on
 * most systems. Date.now() runs on in sleep, but jumps when the clock is set. So
 * the larger difference counts: a sleep is seen by the one, a clock set back by
 * the other, and a clock set forward costs no more than an early refresh. How
 * wrong the clock is doesn't matter: it is only compared with itself.
 */
export function stopwatch(p: Platform): () => number {
  const monotonic = p.performance.now();
  const wall = p.Date.now();
  return () => Math.max(p.performance.now() - monotonic, p.Date.now() - wall);
}
