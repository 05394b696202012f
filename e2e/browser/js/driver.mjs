// One Chromium for the Go tests: a command a line comes in on standard input,
// in JSON, and its answer goes out, in the same order. The browser ends with
// the input.
//
//   node driver.mjs PATH-OF-CHROMIUM
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

// A script comes as the text of a function. Playwright sends its text on to
// the page; it is never called here.
const script = (text) => new Function(`return (${text})`)();

const axe = fileURLToPath(import.meta.resolve("axe-core/axe.min.js"));

const patience = 30_000; // milliseconds that a command waits at most

// until looks again and again until what it sees holds, and answers that. What
// fails may do so because the page is just being replaced by another, so that it
// is looked at again, too. (Playwright's waitForFunction evaluates text in the
// page, which the policy of our pages forbids.)
async function until(look, holds) {
  const end = AbortSignal.timeout(patience);
  const late = new Promise((_, reject) => end.addEventListener("abort", reject));
  late.catch(() => {});
  let seen = "nothing";
  while (!end.aborted) {
    try {
      const sight = await Promise.race([look(), late]);
      if (holds((seen = sight))) return sight;
    } catch (error) {
      if (!end.aborted) seen = String(error);
    }
    await pause(10);
  }
  throw new Error(`after ${patience / 1000} s it is still ${JSON.stringify(seen)}`);
}

const profiles = []; // each with cookies of its own
const tabs = [];

const commands = {
  async profile({ options }) {
    return profiles.push(await browser.newContext(options)) - 1;
  },
  async tab({ profile }) {
    return tabs.push(await profiles[profile].newPage()) - 1;
  },
  async open({ tab, url }) {
    return visited(tabs[tab], await tabs[tab].goto(url, { waitUntil: "domcontentloaded" }));
  },
  async run({ tab, text, arg }) {
    return tabs[tab].evaluate(script(text), arg);
  },
  // until runs a script until another one, which is called here with what the
  // first one answers and with its argument, says that this is it.
  async until({ tab, text, holds, arg }) {
    const is = script(holds);
    return until(() => tabs[tab].evaluate(script(text), arg), (seen) => is(seen, arg));
  },
  // forgotten waits until the browser has thrown a cookie away.
  async forgotten({ profile, cookie }) {
    await until(() => profiles[profile].cookies(), (all) => !all.some(({ name }) => name === cookie));
  },
  // leave runs a script that makes the tab go elsewhere, and waits until it has
  // arrived.
  async leave({ tab, text, arg }) {
    const arrival = tabs[tab].waitForNavigation({ waitUntil: "commit" });
    await Promise.all([arrival, tabs[tab].evaluate(script(text), arg)]);
    return visited(tabs[tab], await arrival);
  },
  // arrive waits until the tab is at an address that the expression matches.
  async arrive({ tab, pattern }) {
    await tabs[tab].waitForURL(new RegExp(pattern), { waitUntil: "domcontentloaded" });
    return visited(tabs[tab]);
  },
  // popup runs a script that opens a window, and answers that window's tab.
  async popup({ tab, text, arg }) {
    const opened = tabs[tab].waitForEvent("popup");
    const [page] = await Promise.all([opened, tabs[tab].evaluate(script(text), arg)]);
    return tabs.push(page) - 1;
  },
  // submit fills in fields and presses a button, as a person with a mouse does.
  // It answers when what the form leads to is there.
  async submit({ tab, fields, button }) {
    for (const [selector, value] of Object.entries(fields ?? {})) await tabs[tab].fill(selector, value);
    const arrival = tabs[tab].waitForNavigation({ waitUntil: "commit" });
    await Promise.all([arrival, tabs[tab].click(button, { noWaitAfter: true })]);
    return visited(tabs[tab], await arrival);
  },
  // leaveWindow presses a button with which the window goes away, sooner or later.
  async leaveWindow({ tab, button }) {
    const page = tabs[tab];
    const gone = page.waitForEvent("close");
    const pressed = page.click(button, { noWaitAfter: true }).catch((error) => {
      if (!page.isClosed()) throw error;
    });
    await Promise.all([gone, pressed]);
  },
  // keys presses keys and types text: {"press": "Tab"} or {"type": "text"}.
  async keys({ tab, keys }) {
    for (const { press, type } of keys) {
      await (press ? tabs[tab].keyboard.press(press) : tabs[tab].keyboard.type(type));
    }
  },
  async text({ tab }) {
    return tabs[tab].locator("body").innerText();
  },
  // closed waits until the tab is gone.
  async closed({ tab }) {
    if (!tabs[tab].isClosed()) await tabs[tab].waitForEvent("close", { timeout: patience });
  },
  async look({ tab, width, height, scheme, file }) {
    await tabs[tab].setViewportSize({ width, height });
    await tabs[tab].emulateMedia({ colorScheme: scheme });
    if (file) await tabs[tab].screenshot({ path: file, fullPage: true });
  },
  // axe judges the page as it is, past its policy: what it finds wrong.
  async axe({ tab }) {
    await tabs[tab].evaluate(await readFile(axe, "utf8"));
    const { violations, passes } = await tabs[tab].evaluate(() => globalThis.axe.run(document));
    return {
      passed: passes.length,
      violations: violations.map(({ id, impact, help, nodes }) => ({ id, impact, help, nodes: nodes.map((node) => node.html) })),
    };
  },
  // frames waits until each has an address, of which the driver learns later than
  // the page.
  async frames({ tab }) {
    return until(async () => tabs[tab].frames().map((frame) => frame.url()), (urls) => !urls.includes(""));
  },
  async cookies({ profile }) {
    return profiles[profile].cookies();
  },
  async close({ profile }) {
    await profiles[profile].close();
  },
};

function visited(page, response) {
  return { url: page.url(), status: response?.status() ?? 0 };
}

async function answer(line) {
  try {
    const { do: name, ...args } = JSON.parse(line);
    return { value: (await commands[name](args)) ?? null };
  } catch (error) {
    return { error: String(error?.stack ?? error) };
  }
}

const browser = await chromium.launch({
  executablePath: process.argv[2],
  chromiumSandbox: process.getuid?.() !== 0, // Chromium refuses to sandbox root
  timeout: 30_000,
});
const lines = createInterface({ input: process.stdin });
lines.once("close", async () => {
  await browser.close();
  process.exit(); // whatever a page still has under way
});
for await (const line of lines) {
  console.log(JSON.stringify(await answer(line)));
}
