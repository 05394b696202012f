// What is published: its size, its types, and how others resolve it. It packs
// the folder as npm does.
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { publint } from "publint";
import { beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const tsc = join(root, "node_modules/typescript/bin/tsc");
const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

beforeAll(() => {
  rmSync(join(root, "dist"), { recursive: true, force: true });
  run(process.execPath, tsc, "-p", "tsconfig.build.json");
}, 120_000);

/** The size of an entry in a page, minified and gzipped, in bytes. */
async function size(entry: string): Promise<number> {
  const { outputFiles } = await build({ entryPoints: [join(root, "dist", entry)], bundle: true, minify: true, format: "esm", target: "es2022", external: ["react"], write: false });
  return gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
}

test("the client has no more than 3 kB", async () => {
  expect(await size("index.js")).toBeLessThanOrEqual(3000);
});

test("the React hooks have no more than 1 kB", async () => {
  expect(await size("react.js")).toBeLessThanOrEqual(1000);
});

test("the verifier has no more than 16 kB, jose included", async () => {
  expect(await size("verify/index.js")).toBeLessThanOrEqual(16_000);
});

/** What an entry needs that isn't in the package. */
async function needs(entry: string): Promise<string[]> {
  const { metafile } = await build({ entryPoints: [join(root, "dist", entry)], bundle: true, format: "esm", packages: "external", write: false, metafile: true });
  return [...new Set(Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path)))].sort();
}

test("each entry needs what it says, the client nothing at all", async () => {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(dependencies).toBeUndefined();
  expect(Object.keys(peerDependencies)).toEqual(["jose", "react"]);
  expect(await needs("index.js")).toEqual([]);
  expect(await needs("react.js")).toEqual(["react"]);
  expect(await needs("verify/index.js")).toEqual(["jose"]);
  expect(await needs("express.js")).toEqual(["jose"]);
  expect(await needs("next.js")).toEqual(["jose"]);
});

test("nothing is stored", () => {
  const { files } = packed();
  for (const name of files.filter((f) => f.endsWith(".js"))) {
    const code = readFileSync(join(root, name), "utf8").replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
    expect(code).not.toMatch(/localStorage|sessionStorage|indexedDB|document\.cookie/);
  }
});

test("the types say what they should", { timeout: 120_000 }, () => {
  run(process.execPath, tsc, "-p", "tsconfig.json");
});

function packed(to?: string): { filename: string; files: string[] } {
  const args = to ? ["--pack-destination", to] : ["--dry-run"];
  const [{ filename, files }] = JSON.parse(run("npm", "pack", "--json", "--ignore-scripts", ...args));
  return { filename, files: files.map((f: { path: string }) => f.path) };
}

test("only what is needed is published", () => {
  const { files } = packed();
  expect(files).toEqual(expect.arrayContaining(["LICENSE", "README.md", "package.json", "dist/index.js", "dist/index.d.ts", "dist/react.js", "dist/react.d.ts", "dist/verify/index.js", "dist/verify/index.d.ts", "dist/express.js", "dist/express.d.ts", "dist/next.js", "dist/next.d.ts"]));
  expect(files.filter((f) => !/^(dist\/(?:verify\/)?[a-z]+\.(js|d\.ts)|LICENSE|README\.md|package\.json)$/.test(f))).toEqual([]);
});

test("publint finds nothing", async () => {
  const { messages } = await publint({ pkgDir: root, strict: true, pack: "npm" });
  expect(messages).toEqual([]);
});

test("every way to resolve the types of a module works", { timeout: 120_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), "writ-pack-"));
  try {
    const { filename } = packed(dir);
    const result = await checkPackage(createPackageFromTarballData(new Uint8Array(readFileSync(join(dir, filename)))));
    if (!result.types) throw new Error("no types");
    // A package of ES modules alone: require() of CommonJS and the resolution of
    // before 2020 are not served.
    const problems = result.problems.filter((p) => !["CJSResolvesToESM"].includes(p.kind) && !("resolutionKind" in p && p.resolutionKind === "node10"));
    expect(problems).toEqual([]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
