// The verifier in the runtimes it is for. Deno and Bun are used where they are
// installed; the others come with the packages of this folder.
import { EdgeVM } from "@edge-runtime/vm";
import { build } from "esbuild";
import { execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { audience, TestIssuer, until } from "./issuer.ts";

const dir = mkdtempSync(join(tmpdir(), "writ-runtimes-"));
const entry = join(import.meta.dirname, "../src/verify/index.ts");
let issuer: TestIssuer;

beforeAll(async () => {
  // What an application bundles: it may lean on nothing of Node.
  await build({ entryPoints: [entry], bundle: true, format: "esm", platform: "neutral", mainFields: ["module", "main"], target: "es2022", outfile: join(dir, "verify.mjs") });
  copyFileSync(join(import.meta.dirname, "runtime.mjs"), join(dir, "runtime.mjs"));
});

afterAll(() => rmSync(dir, { recursive: true }));

beforeEach(async () => {
  issuer = await new TestIssuer().start();
});

afterEach(() => issuer.stop());

function installed(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const runtimes: [string, string[]][] = [
  [process.execPath, []],
  ["deno", ["run", "--allow-net", "--allow-env"]],
  ["bun", ["run"]],
];

for (const [program, args] of runtimes) {
  const there = installed(program);
  for (const revocation of ["follow", "ask"]) {
    const name = program === process.execPath ? "node" : program;
    test.skipIf(!there)(`${name}, ${revocation}${there ? "" : ": it isn't installed here"}`, async () => {
      const input = { issuer: issuer.url, audience, token: await issuer.token(), revocation };
      const child = spawn(program, [...args, "runtime.mjs"], { cwd: dir, env: { ...process.env, TEST_INPUT: JSON.stringify(input) }, stdio: ["ignore", "pipe", "inherit"] });
      const said: string[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        said.push(line);
        if (line.startsWith("accepted")) issuer.revoke(2, "sid-1");
      }
      expect(said).toEqual(["accepted usr_1", "revoked"]);
    });
  }
}

test("the edge runtime, which has Web APIs and nothing else", async () => {
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "iife", globalName: "writ", platform: "neutral", mainFields: ["module", "main"], target: "es2022", write: false });
  const vm = new EdgeVM();
  vm.evaluate(outputFiles[0]!.text);
  vm.evaluate(`var verifier = writ.createVerifier(${JSON.stringify({ issuer: issuer.url, audience, revocation: "ask", askAfter: 0 })})`);
  const token = JSON.stringify(await issuer.token());
  const verdict = () => vm.evaluate<Promise<string>>(`verifier.verify(${token}).then(({ subject }) => subject, (error) => error.message)`);
  expect(await verdict()).toBe("usr_1");
  issuer.log.add(2, "sid-1");
  await until("the revocation", async () => (await verdict()) === "revoked");
});
