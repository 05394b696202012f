// What happens to a page in a life: sleep, a wrong clock, the back/forward
// cache, a browser that blocks third-party cookies. It has a Chromium of its
// own, since Playwright's usual one has no back/forward cache, and prints what
// it saw.
//
//   node client.mjs CHROMIUM SCENARIO ORIGIN OTHER-ORIGIN EMAIL PASSWORD
import { chromium } from "playwright-core";

const [program, scenario, origin, other, email, password] = process.argv.slice(2);
const minute = 60_000;

const browser = await chromium.launch({
  executablePath: program,
  chromiumSandbox: process.getuid?.() !== 0,
  ignoreDefaultArgs: ["--disable-back-forward-cache"],
  args: scenario === "blocked" ? ["--test-third-party-cookie-phaseout"] : [],
});
const profile = await browser.newContext();

const state = (page) => page.evaluate(() => ({ user: window.writ.user?.email ?? String(window.writ.user), told: window.told.splice(0), persisted: window.persisted }));

async function until(page, holds, arg) {
  await page.waitForFunction(holds, arg, { polling: 50, timeout: 30_000 });
}

async function open(path) {
  const page = await profile.newPage();
  await page.goto(origin + path);
  await until(page, () => window.writ?.user !== undefined);
  return page;
}

async function signIn(page) {
  await page.evaluate((credentials) => window.writ.signIn(credentials).then(() => {}), { email, password });
  await page.evaluate(() => void window.told.splice(0));
}

/** Waits until Chromium has thrown the access token away: it is over. */
async function expired() {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline && (await profile.cookies()).some(({ name }) => name === "writ_at")) await new Promise((resolve) => setTimeout(resolve, 50));
  if (Date.now() >= deadline) throw new Error("the access token is renewed all the time");
}

const status = (page) => page.evaluate(() => window.writ.fetch("/v1/me").then(({ status }) => status));

const scenarios = {
  // The machine sleeps for an hour: what was due fires once, late.
  async sleep() {
    const page = await profile.newPage();
    await page.clock.install();
    await page.goto(origin + "/spa/?quiet");
    await until(page, () => window.writ?.user !== undefined);
    await signIn(page);
    await page.clock.pauseAt(Date.now() + 1000);
    await expired();
    await page.clock.fastForward(60 * minute);
    await page.clock.resume();
    await page.evaluate(() => window.dispatchEvent(new Event("focus")));
    return [await status(page), await state(page)];
  },
  // The page's process is stopped: no timer runs, no message arrives.
  async frozen() {
    const page = await open("/spa/?quiet");
    await signIn(page);
    const { processInfo } = await (await browser.newBrowserCDPSession()).send("SystemInfo.getProcessInfo");
    const pages = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
    for (const id of pages) process.kill(id, "SIGSTOP");
    await expired();
    for (const id of pages) process.kill(id, "SIGCONT");
    return [await status(page), await state(page)];
  },
  // The clock is wrong, and is set while the page is there.
  async clock() {
    const page = await profile.newPage();
    await page.clock.install({ time: Date.now() + 10 * minute });
    await page.goto(origin + "/spa/");
    await until(page, () => window.writ?.user !== undefined);
    await signIn(page);
    const seen = [];
    for (const off of [-10, 10, 0]) {
      await page.clock.setSystemTime(Date.now() + off * minute);
      await page.clock.resume();
      await page.waitForTimeout(8000);
      seen.push(await status(page), await state(page));
    }
    return seen;
  },
  // A page waits in the back/forward cache, first while its access token runs
  // out, then while another tab signs out.
  async cache() {
    const page = await open("/spa/?quiet");
    await signIn(page);
    await page.goto(origin + "/app/");
    await expired();
    await page.goBack({ waitUntil: "commit" });
    await until(page, () => window.persisted !== undefined);
    const kept = [await status(page), await state(page)];
    await page.goto(origin + "/app/");
    const second = await open("/spa/?quiet");
    await second.evaluate(() => window.writ.signOut());
    await page.goBack({ waitUntil: "commit" });
    await until(page, () => window.writ?.user === null);
    return [...kept, await state(page)];
  },
  // Third-party cookies are blocked: the page is of another site than Writ.
  async blocked() {
    const page = await profile.newPage();
    const attempt = (mode) => page.evaluate(([issuer, credentials, mode]) => {
      const writ = window.createWrit({ issuer, mode, apis: [issuer] });
      return writ.signIn(credentials).then(
        () => writ.fetch(issuer + "/v1/me").then(({ status }) => status),
        ({ code }) => code,
      );
    }, [origin, { email, password }, mode]);
    await page.goto(other + "/spa/?issuer=" + encodeURIComponent(origin));
    await until(page, () => window.createWrit !== undefined);
    const elsewhere = [await attempt("cookie"), await attempt("token")];
    await page.goto(origin + "/spa/?quiet");
    await until(page, () => window.writ?.user !== undefined);
    await signIn(page);
    await page.reload();
    await until(page, () => window.writ?.user !== undefined);
    return [...elsewhere, await status(page), await state(page)];
  },
};

try {
  console.log(JSON.stringify(await scenarios[scenario]()));
} finally {
  await browser.close();
}
