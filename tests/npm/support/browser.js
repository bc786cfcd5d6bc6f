// Tabs of a real browser, headless: the Chromium that is installed, with a profile of its own for each test.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { host, leave } from "./host.js";
import { BOUND_MS } from "./wait.js";

const [, executablePath] = process.argv.slice(2);

// Nothing of the browser's own may reach the network, and it must run as root in a container.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Runs a test with a way to open tabs of one browser. It passes if nothing is thrown, by the test or by a page. */
export async function test(run) {
  const profile = await mkdtemp(join(tmpdir(), "party-profile-"));
  const browser = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: FLAGS });
  browser.setDefaultTimeout(BOUND_MS);
  const thrown = [];
  browser.on("weberror", (error) => thrown.push(error.error()));
  try {
    await run((path) => openTab(browser, path));
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
    leave();
  }
  if (thrown.length > 0) throw new AggregateError(thrown, `pages threw: ${thrown.join("; ")}`);
}

async function openTab(browser, path) {
  const page = await browser.newPage();
  page.on("requestfailed", (request) => console.error(`failed: ${request.url()}: ${request.failure()?.errorText}`));
  const response = await page.goto(`http://${host}${path}`);
  if (!response.ok()) throw new Error(`${path} answers ${response.status()}`);
  return new Tab(page);
}

/** One tab, told apart by the ids of its elements. */
class Tab {
  constructor(page) {
    this.page = page;
  }

  /** Waits until the element reads so. */
  reads(id, text, boundMs = BOUND_MS) {
    return this.#becomes(id, text, (element) => element.textContent, boundMs);
  }

  /** Waits until the lines of the list are these. */
  lists(id, lines) {
    const all = (element) => JSON.stringify(Array.from(element.children, (child) => child.textContent));
    return this.#becomes(id, JSON.stringify(lines), all);
  }

  /** Waits until the lines of the list are these, in any order. */
  holds(id, lines) {
    const all = (element) => JSON.stringify(Array.from(element.children, (child) => child.textContent).sort());
    return this.#becomes(id, JSON.stringify([...lines].sort()), all);
  }

  /** Waits until what `read` makes of the element, a text, is this; `read` is taken to the page as it is written. */
  shows(id, read, text) {
    return this.#becomes(id, text, read);
  }

  /** Moves the mouse to a place of the window, in parts of its width and height. */
  async point(x, y) {
    const { width, height } = this.page.viewportSize();
    await this.page.mouse.move(width * x, height * y);
  }

  /** Loads the page again. */
  async reload() {
    await this.page.reload();
  }

  click(id) {
    return this.page.click(`#${id}`);
  }

  /** Types into an input as a person does, key by key. */
  type(id, text) {
    return this.page.locator(`#${id}`).pressSequentially(text);
  }

  press(id, key) {
    return this.page.press(`#${id}`, key);
  }

  /** Replaces what stands in an input, and leaves it. */
  async fill(id, text) {
    await this.page.fill(`#${id}`, text);
    await this.page.locator(`#${id}`).blur();
  }

  close() {
    return this.page.close();
  }

  /** Waits until what `read` makes of the element, in the page, is as wanted. */
  async #becomes(id, wanted, read, boundMs = BOUND_MS) {
    const element = await this.page.waitForSelector(`#${id}`, { state: "attached" });
    const found = await element.evaluate(
      (element, [read, wanted, boundMs]) =>
        new Promise((resolve) => {
          const look = () => eval(read)(element);
          const answer = () => {
            observer.disconnect();
            resolve(look());
          };
          const observer = new MutationObserver(() => look() === wanted && answer());
          observer.observe(element, { childList: true, characterData: true, attributes: true, subtree: true });
          setTimeout(answer, boundMs);
          if (look() === wanted) answer();
        }),
      [`(${read})`, wanted, boundMs],
    );
    if (found !== wanted) throw new Error(`#${id} is ${found} and does not become ${wanted}`);
  }
}
