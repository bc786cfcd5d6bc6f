// Timers that a test ends by hand, instead of waiting for them: those that PartySocket asks for, by how long they are.
// Node's own network code does not use these.

import { within } from "./wait.js";

const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout } = globalThis;
// What a machine makes of 3,000 * 1.3 and the like.
const ROUNDING_MS = 0.01;

/** Everything that is timed while the test runs. What takes no time happens by itself. */
export class Timers {
  /** How long each timer was to be that was asked for, in order. */
  asked = [];
  #open = new Map();
  #last = 0;
  #waiting = () => {};

  #set = (run, ms = 0, ...args) => {
    this.asked.push(ms);
    if (ms === 0) return realSetTimeout(run, 0, ...args);
    const id = (this.#last += 1);
    this.#open.set(id, { ms, run: () => run(...args) });
    this.#waiting();
    return { timer: id, unref() {}, ref() {} };
  };

  #clear = (timer) => {
    if (timer?.timer === undefined) realClearTimeout(timer);
    else this.#open.delete(timer.timer);
  };

  #find(ms) {
    return [...this.#open].find(([, timer]) => Math.abs(timer.ms - ms) < ROUNDING_MS);
  }

  /** Waits until something is to happen in so many milliseconds. */
  async isAsked(ms) {
    const asked = new Promise((resolve) => {
      this.#waiting = () => this.#find(ms) && resolve();
      this.#waiting();
    });
    await within(asked, `a timer of ${ms} ms; asked for were ${this.asked.join(", ")}`);
  }

  /** Lets so many milliseconds pass for the one who waits for them, as soon as somebody does. */
  async pass(ms) {
    await this.isAsked(ms);
    const [id, { run }] = this.#find(ms);
    this.#open.delete(id);
    run();
  }

  /** Whether something is to happen in so many milliseconds. */
  has(ms) {
    return this.#find(ms) !== undefined;
  }

  /** Runs with these timers in place of the real ones. */
  static async byHand(run) {
    const timers = new Timers();
    globalThis.setTimeout = timers.#set;
    globalThis.clearTimeout = timers.#clear;
    try {
      return await run(timers);
    } finally {
      globalThis.setTimeout = realSetTimeout;
      globalThis.clearTimeout = realClearTimeout;
    }
  }
}
