import { defineConfig } from "vitest/config";

// A test takes milliseconds, most of them; the limit is for machines with other things to do.
export default defineConfig({ test: { include: ["test/**/*.test.ts"], pool: "threads", maxWorkers: 2, testTimeout: 120_000, hookTimeout: 240_000 } });
