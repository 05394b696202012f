// One Chromium for the Go tests: a command a line comes in on standard input,
// in JSON, and its answer goes out, in the same order. The browser ends with
// the input.
//
//   node driver.mjs PATH-OF-CHROMIUM
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

// A script comes as the text of a function. Playwright sends its text on to
// the page; it is never called here.
const script = (text) => new Function(`return (${text})`)();

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
  // leave runs a script that makes the tab go elsewhere, and waits until it has
  // arrived.
  async leave({ tab, text, arg }) {
    const arrival = tabs[tab].waitForNavigation({ waitUntil: "commit" });
    await Promise.all([arrival, tabs[tab].evaluate(script(text), arg)]);
    return visited(tabs[tab], await arrival);
  },
  async frames({ tab }) {
    return tabs[tab].frames().map((frame) => frame.url());
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
